"""`./run connect`: what an operator sees of the relays, and does to them."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from connect import doctor, facts, operations
from connect.client import ConnectClient
from connect.health import Verdict
from contracts.services import SERVICES
from runtime import logs
from stack.access import layout_of
from stack.doctor import show_finding
from stack.options import json_option, state_option
from stack.recovery import access, recover_command


@click.group("connect")
def connect_group() -> None:
    """Kafka Connect: the relays between the outboxes and Kafka."""


@connect_group.command("status")
@json_option
@state_option
def connect_status(as_json: bool, state: Path) -> int:
    """Show each connector; exits with 1 when one is not healthy."""
    statuses = operations.status(layout_of(state).connect_urls.split(","))
    if as_json:
        click.echo(json.dumps({"connectors": [{**asdict(s), "verdict": s.verdict} for s in statuses]}))
    else:
        for each in statuses:
            click.echo(f"{each.name:20} {each.summary()}")
    healthy = [each for each in statuses if each.verdict is Verdict.HEALTHY]
    return 0 if len(healthy) == len(SERVICES) == len(statuses) else 1


@connect_group.command("doctor")
@json_option
@state_option
def doctor_command(as_json: bool, state: Path) -> int:
    """Say what is wrong with the relays, and what helps. Reads only.

    Exits with 0 when all is well, 1 with findings, 3 when nothing runs.
    """
    found = doctor.examine(facts.gather(access(layout_of(state)), watch=True))
    if as_json:
        click.echo(json.dumps({"findings": [asdict(each) for each in found]}))
        return 1 if found else 0
    for each in found:
        show_finding(each)
    if not found:
        click.echo(
            "All is well with the relays: every one moves, and every topic is as it should be."
            " ./run audit tells whether every event has arrived."
        )
    return 1 if found else 0


def _add(name: str, operation: Callable[[ConnectClient, str], None], done: str, text: str) -> None:
    """A command that does one thing to one connector, or to all of them."""

    @connect_group.command(name, help=text)
    @click.argument("connector", required=False, type=click.Choice([each.connector for each in SERVICES]))
    @state_option
    def command(connector: str | None, state: Path) -> None:
        logs.configure("connect", logging.WARNING)
        layout = layout_of(state)
        servers = layout.bootstrap_servers.split(",")
        client = operations.client(layout.connect_urls.split(","), servers)
        for each in [connector] if connector else [service.connector for service in SERVICES]:
            operation(client, each)
            click.echo(f"{each} {done}")


_add(
    "restart",
    partial(ConnectClient.restart, only_failed=False),
    "restarted",
    "Restart one connector with its tasks, or all where none is named.",
)
_add(
    "pause",
    ConnectClient.pause,
    "paused",
    "Stop relaying, all where none is named; the outbox fills and WAL is held back until `resume`.",
)
_add("resume", ConnectClient.resume, "resumed", "Relay again, all where none is named.")

connect_group.add_command(recover_command)
