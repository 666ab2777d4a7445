"""What runs and whether it is well: for a person, and as the JSON that other programs read."""

import asyncio
import json
import shlex
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from connect import operations
from connect.client import ConnectError
from connect.health import HELD, why_held
from contracts.services import SERVICES
from stack import postgres_home, probes, record, topology
from stack.layout import DEFAULT_STATE, Layout
from stack.node import Kind
from stack.record import NodeRecord, Phase, StackRecord, State

GREEN, RED, GREY = "green", "red", "grey"
EXIT_CODE = {GREEN: 0, RED: 1, GREY: 2}
NOT_RUNNING = 3
_SAYS = {GREEN: "green: all is well", RED: "red: something does not run as it should", GREY: "grey: starting"}
_PART = "grey: a recovery runs only what it needs; ./run up when it has ended"


def show(state: Path, *, as_json: bool) -> int:
    """Print the answer, and return the exit code."""
    now = record.read_running(state)
    if now:
        now = ask(now, state)
    report = gather(now, state)
    if now and now.warning:
        click.echo(f"warning: {now.warning}", err=True)
    if as_json:
        click.echo(json.dumps(report))
    elif now:
        _print_tables(now, report)
    else:
        click.echo("Nothing is running; ./run up starts it.")
    return EXIT_CODE[report["verdict"]] if now else NOT_RUNNING


def ask(now: StackRecord, state: Path) -> StackRecord:
    """The record, but with what runs and does not answer as it should told as such."""
    layout = Layout(state=state, port_offset=now.port_offset, postgres=postgres_home.installed(state))
    running = {node.name for node in now.processes if node.state is State.RUNNING}
    sick = asyncio.run(probes.not_ready(node for node in topology.nodes(layout) if node.name in running))
    nodes = [
        node.model_copy(update={"state": State.NOT_READY}) if node.name in sick else node
        for node in now.nodes
    ]
    return now.model_copy(update={"nodes": nodes})


def gather(now: StackRecord | None, state: Path) -> dict[str, Any]:
    layout = Layout(state=state, port_offset=now.port_offset if now else 0)
    connectors = _connectors(now, layout) if now else []
    return {
        "verdict": _verdict(now, connectors),
        "processes": [_process(node) for node in now.processes] if now else [],
        "connectors": connectors,
        "databases": [
            {"service": each.name, "dsn": layout.database_url(each.role("app"), each.database)}
            for each in SERVICES
        ],
        "bootstrap_servers": layout.bootstrap_servers,
    }


def where_to_look(now: StackRecord, state: Path) -> str:
    """The addresses, and what to try next."""
    layout = Layout(state=state, port_offset=now.port_offset)
    url = layout.url
    where = "" if state == DEFAULT_STATE else f" --state {shlex.quote(str(state))}"
    return f"""
Ready.  dashboard {url("dashboard")}
        order {url("order")}   payment {url("payment")}   inventory {url("inventory")}
        PostgreSQL {layout.address("postgres")}   Connect {url("connect-1")}
        Kafka {layout.bootstrap_servers}

Place an order, then watch it go from PENDING to COMPLETED:

  curl -s {url("order")}/orders -H 'Content-Type: application/json' \\
       -d '{{"items":[{{"sku":"PIZZA","quantity":1}}]}}'
  curl -s {url("order")}/orders

Look around: {url("dashboard")}
             ./run status{where}
             ./run logs order-worker -f{where}
Stop:        ./run down{where}
"""


def held(now: StackRecord, state: Path) -> list[str]:
    """What is said of connectors that are paused or stopped: orders are taken, and do not go on."""
    layout = Layout(state=state, port_offset=now.port_offset)
    states = {each["name"]: each["state"] for each in _connectors(now, layout) if each["state"] in HELD}
    of = {service: states[service.connector] for service in SERVICES if service.connector in states}
    told = {service.connector: why_held(service, found) for service, found in of.items()}
    return [f"{name} is held, {because}: {remedy}" for name, (because, remedy) in told.items()]


def _verdict(now: StackRecord | None, connectors: list[dict[str, Any]]) -> str:
    if now is None or now.phase is not Phase.READY:
        return RED if now and now.phase is Phase.FAILED else GREY
    running = all(node.state is State.RUNNING for node in now.processes)
    relaying = all(
        each["state"] == "RUNNING" and each["tasks"] and set(each["tasks"]) == {"RUNNING"}
        for each in connectors
    )
    expected = any(node.kind is Kind.CONNECT for node in now.processes)
    complete = len(connectors) == len(SERVICES) or not expected
    if not (running and relaying and complete):
        return RED
    return GREY if now.only else GREEN


def _process(node: NodeRecord) -> dict[str, Any]:
    fields = ("name", "kind", "pid", "address", "state")
    return {field: getattr(node, field) for field in fields}


def _connectors(now: StackRecord, layout: Layout) -> list[dict[str, Any]]:
    """As a worker that is ready tells them: one that is not would only keep the caller waiting."""
    workers = [
        node.name for node in now.processes if node.kind is Kind.CONNECT and node.state is State.RUNNING
    ]
    try:
        statuses = operations.status([layout.url(name) for name in workers]) if workers else ()
    except ConnectError:
        return []
    return [
        {"name": each.name, "state": each.state, "tasks": [task.state for task in each.tasks]}
        for each in statuses
    ]


def _print_tables(now: StackRecord, report: dict[str, Any]) -> None:
    """Names and addresses are there to be copied, so nothing is cut off, however narrow the terminal."""
    console = Console(soft_wrap=True)
    processes = Table("process", "pid", "address", "state", "restarts", box=None, pad_edge=False)
    for node in now.processes:
        processes.add_row(node.name, str(node.pid or ""), node.address, node.state, str(node.restarts or ""))
    for column in processes.columns:
        column.no_wrap, column.overflow = True, "ignore"
    console.print(processes, crop=False)
    for each in report["connectors"]:
        console.print(
            f"connector {each['name']}: {each['state']}, tasks {', '.join(each['tasks']) or 'none'}"
        )
    console.print(_PART if now.only and report["verdict"] == GREY else _SAYS[report["verdict"]])
