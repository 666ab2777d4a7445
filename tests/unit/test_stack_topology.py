"""The stack's shape, without starting anything."""

from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from contracts.services import SERVICES
from stack import launch, ports, prey, topology
from stack.cli import supervise
from stack.layout import BROKERS, Layout
from stack.node import Ends, Kind, Node
from stack.record import NodeRecord, Phase, StackRecord, State


def layout(offset: int = 0) -> Layout:
    return Layout(state=Path("/state"), cache=Path("/cache"), port_offset=offset)


def by_name(offset: int = 0) -> dict[str, Node]:
    return {node.name: node for node in topology.nodes(layout(offset))}


def test_nothing_waits_for_itself_or_for_something_unknown():
    nodes = by_name()

    order = list(TopologicalSorter({name: node.after for name, node in nodes.items()}).static_order())

    assert set(order) == set(nodes)


def test_every_process_of_every_service_is_there():
    names = set(by_name())

    assert {service.name for service in SERVICES} <= names
    assert {f"{service.name}-worker" for service in SERVICES} <= names
    assert {"postgres", *BROKERS, "connect-1", "connect-2", "payment-executor", "gateway"} <= names


def test_jobs_end_and_processes_listen():
    for node in by_name().values():
        is_job = node.kind is Kind.JOB
        assert isinstance(node.ready, Ends) == is_job, node.name
        assert (node.port is None) == is_job, node.name


def test_an_offset_moves_every_port():
    base, moved = by_name(0), by_name(20_000)

    assert all(moved[name].port == node.port + 20_000 for name, node in base.items() if node.port)


def test_no_port_is_used_twice():
    assert len(set(ports.ALL.values())) == len(ports.ALL)


def test_no_service_starts_before_its_slot():
    nodes = by_name()

    for service in SERVICES:
        assert "slots" in nodes[service.name].after, "an order before the slot is an event nobody relays"


def test_what_calls_the_gateway_stops_before_it():
    nodes = by_name()

    callers = [name for name, node in nodes.items() if "GATEWAY_URL" in node.environment]

    assert callers == ["payment-executor"]
    assert "gateway" in nodes["payment-executor"].after, "nodes stop in reverse"


def test_a_local_gateway_has_no_process_and_only_the_executor_knows_of_it():
    local = {
        node.name: node
        for node in topology.nodes(replace(layout(), local_gateway=True, payment_failure_rate=0.5))
    }
    executor = local["payment-executor"]

    assert set(by_name()) - set(local) == {"gateway"}
    assert all(set(node.after) <= set(local) for node in local.values())
    assert executor.environment["GATEWAY_URL"] == "sqlite:/state/gateway.sqlite"
    assert executor.environment["PAYMENT_FAILURE_RATE"] == "0.5"
    assert by_name()["gateway"].environment["GATEWAY_DATABASE"] == "/state/gateway.sqlite"


def test_the_parent_is_told_of_a_local_gateway():
    wish = launch.Wish(Path("/state"), local_gateway=True)
    arguments = wish.parent_command()[5:]

    told = supervise.make_context("supervise", arguments).params

    assert told["local_gateway"]
    assert wish.layout(lambda: "java").local_gateway


@pytest.mark.parametrize("local", [False, True])
def test_who_looks_at_a_stack_sees_whether_its_gateway_is_local(local: bool):
    nodes = topology.nodes(replace(layout(), local_gateway=local))
    seen = [
        NodeRecord(
            name=n.name, kind=n.kind, state=State.RUNNING, pid=1, address=None, restarts=0, seconds=None
        )
        for n in nodes
    ]
    now = StackRecord(parent=1, phase=Phase.READY, port_offset=0, nodes=seen)

    assert prey.layout_of(Path("/state"), now).local_gateway is local


def test_slots_are_made_when_the_topics_that_tell_of_lost_ones_are_there():
    assert "topics" in by_name()["slots"].after


def test_no_secret_stands_in_a_command_or_an_environment():
    for node in by_name().values():
        secret = ("PASSWORD", "TOKEN", "SECRET_")
        values = [v for name, v in node.environment.items() if any(word in name for word in secret)]
        assert all(value.startswith(("/state/secrets/", "/state/webhook/")) for value in values), node.name


def test_a_part_comes_with_what_it_waits_for():
    part = topology.with_dependencies(["topics"], topology.nodes(layout()))

    assert {node.name for node in part} == {"broker-data", *BROKERS, "topics"}


def test_the_database_alone_runs_under_another_account():
    accounts = {node.name for node in by_name().values() if node.account}

    assert accounts <= {"postgres"}


@pytest.mark.parametrize(
    ("offset", "valid"), [(0, True), (9_999, False), (10_000, True), (50_000, True), (50_001, False)]
)
def test_which_offsets_are_valid(offset: int, valid: bool):
    assert ports.is_offset(offset) is valid


def test_free_offsets_stay_below_the_ports_of_outgoing_connections():
    first_ephemeral_port = 32_768

    assert ports.FREE_OFFSETS[-1] + max(ports.PORTS.values()) < first_ephemeral_port


def test_a_proxy_stands_before_the_brokers_only_when_it_is_asked_for():
    detoured = {node.name: node for node in topology.nodes(replace(layout(), detour=True))}

    assert set(detoured) - set(by_name()) == {"detour"}
    assert "detour" in detoured["topics"].after, "no client before the proxy"
    for name, node in detoured.items():
        servers = node.environment.get("KAFKA_BOOTSTRAP_SERVERS")
        assert servers in {None, "127.0.0.1:9094,127.0.0.1:9194,127.0.0.1:9294"}, name
