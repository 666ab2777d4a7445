"""Opens what is to be attacked: a stack of its own, one that runs, or a system of somebody's own."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from sqlalchemy import make_url

from chaos import disks, targets
from chaos.disks import DISKS
from chaos.evidence import Endpoints
from chaos.faults import Ground
from chaos.losing import RELAYS
from chaos.network import Network, has_links_between
from chaos.poison import DATABASES, STRANGER
from chaos.scenario import BETWEEN, NETWORK, PARKING, SMALL_DISKS, SMALL_SLOTS, TWINS, WAY_BACK, Scenario
from chaos.targets import KafkaNames
from chaos.zombie import ADMIN_DATABASE
from stack import launch, prey, record
from stack.errors import NotReady
from stack.layout import Layout
from stack.ports import HOST

# What a slot may hold back where it is to lose it: little enough to be written in a second or two.
SLOT_KEEP_MB = 48
# A disk that a stack can begin on. It takes the memory of what is written there, and no more.
SMALL_MB = 3200


@dataclass(frozen=True, slots=True)
class System:
    """A system that can be attacked: what faults work on, and where orders go, evidence is, and logs lie."""

    ground: Ground
    endpoints: Endpoints
    logs: Path | None = None  # None: of somebody's own, who knows where they are


@contextmanager
def opened(scenario: Scenario, state: Path | None, targets_file: Path | None) -> Iterator[System]:
    with ExitStack() as stack:
        if targets_file:
            system = _own_system(json.loads(targets_file.read_text()), stack)
        else:
            layout = stack.enter_context(_stack(scenario, state))
            system = _stack_system(scenario, layout, stack)
        missing = scenario.needs - _has(system.ground)
        if missing:
            raise click.UsageError(f"{scenario.name} needs {', '.join(sorted(missing))}, which is not there")
        yield system


def _has(ground: Ground) -> set[str]:
    """What a scenario may need and this ground has."""
    groups = [each.group for each in ground.targets if each.group]
    there = {
        NETWORK: ground.network is not None,
        BETWEEN: has_links_between(ground.network),
        PARKING: "operator" in ground.tools,
        TWINS: len(groups) > len(set(groups)),
        WAY_BACK: RELAYS in ground.tools,
        SMALL_DISKS: DISKS in ground.tools,
        SMALL_SLOTS: RELAYS in ground.tools,  # One of somebody's own says itself when they are too large.
    }
    return {need for need, is_there in there.items() if is_there}


def lacks_rights(scenario: Scenario) -> bool:
    """Whether it needs mounts that this process may not make; else, mounts are its own from now on."""
    return SMALL_DISKS in scenario.needs and not disks.leave_others_mounts()


@contextmanager
def _stack(scenario: Scenario, state: Path | None) -> Iterator[Layout]:
    if state is None:
        with (
            launch.temporary("chaos", detour=NETWORK in scenario.needs) as wish,
            _small_disks(scenario, wish.state),
            launch.running(replace(wish, slot_wal_keep_mb=_slot_mb(scenario)), Console()) as started,
        ):
            yield prey.layout_of(wish.state, started)
        return
    now = record.read_running(state)
    if now is None:
        raise NotReady("nothing is running there: ./run up first, or leave --state away")
    yield prey.layout_of(state, now)


@contextmanager
def _small_disks(scenario: Scenario, state: Path) -> Iterator[None]:
    """Where they are wanted: one for each broker, and one for Postgres and whatever lies beside it.

    Logs stay where they are: they tell of a full disk, and are looked at when a run has failed.
    """
    with ExitStack() as mounted:
        if SMALL_DISKS in scenario.needs:
            mounted.enter_context(disks.small_disk(state, SMALL_MB, but=Layout(state=state).logs))
            for disk in prey.disks_of(state).values():
                if disk.place != state:
                    mounted.enter_context(disks.small_disk(disk.place, SMALL_MB))
        yield


def _slot_mb(scenario: Scenario) -> int | None:
    return SLOT_KEEP_MB if SMALL_SLOTS in scenario.needs else None


def _stack_system(scenario: Scenario, layout: Layout, stack: ExitStack) -> System:
    now = record.read_running(layout.state)
    if now is None:
        raise NotReady("the stack is gone")
    more = stack.enter_context(prey.twins(layout)) if TWINS in scenario.needs else ()
    ground = prey.ground_of(layout, now, more)
    if SMALL_DISKS in scenario.needs and disks.are_small((small := prey.disks_of(layout.state)).values()):
        ground.tools = {**ground.tools, DISKS: small}
    if layout.detour:
        ground.network = stack.enter_context(Network(HOST, layout.port("detour")))
    return System(ground, prey.endpoints_of(layout), layout.logs)


def _own_system(described: dict[str, Any], stack: ExitStack) -> System:
    """A system of somebody's own; what the file leaves out, it does not have."""
    kafka = described.get("kafka", {})
    tools: dict[str, Any] = {
        DATABASES: {name: make_url(url) for name, url in described.get("databases", {}).items()}
    }
    if "admin_database" in described:
        tools[ADMIN_DATABASE] = make_url(described["admin_database"])
    ground = Ground(
        targets=targets.from_entries(described["targets"]),
        bootstrap_servers=described["bootstrap_servers"],
        names=KafkaNames(
            tuple(kafka.get("transactional_ids", ())), kafka.get("reads", {}), kafka.get("types", {})
        ),
        tools=tools,
    )
    if "proxy" in described:
        host, _, port = described["proxy"].rpartition(":")
        ground.network = stack.enter_context(Network(host, int(port)))
    endpoints = Endpoints(
        bootstrap_servers=described["bootstrap_servers"],
        databases=described.get("databases", {}),
        audit=described.get("audit_database"),
        urls=described["urls"],
        gateway=described.get("gateway"),
        strangers=frozenset({STRANGER}),
    )
    return System(ground, endpoints)
