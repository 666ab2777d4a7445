"""The running stack as what attacks it sees: targets, names in Kafka, addresses. Values and look-ups only."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psutil
from sqlalchemy import URL, make_url

from chaos.disks import Disk
from chaos.evidence import Endpoints
from chaos.faults import Ground
from chaos.losing import RELAYS, Relays
from chaos.poison import DATABASES, OPERATOR, STRANGER
from chaos.targets import KafkaNames, Target
from chaos.zombie import ADMIN_DATABASE
from connect import membership
from connect.client import ConnectClient
from contracts.messages import MESSAGES
from contracts.services import AUDIT, AUDITOR_ROLE, INVENTORY, SERVICES, Service
from contracts.topics import read_by
from stack import audits, kafka, postgres, postgres_home, record, recovery
from stack.layout import BROKERS, ROOT, Layout
from stack.leash import leashed
from stack.node import Kind
from stack.park import Operator
from stack.ports import HOST
from stack.process import environment_of
from stack.record import NodeRecord, StackRecord
from stack.services import nodes

# What stands in for the network, or judges, is not hit; nor are jobs, which are over.
SPARED = {Kind.JOB, Kind.PROXY}
CONNECT_GROUP = "neverlost-connect"
# More workers tell of their health so much above the first ones' ports, and each round of them higher.
TWIN_PORTS = 50
TWIN_STOP_SECONDS = 10


def layout_of(state: Path, now: StackRecord) -> Layout:
    """The layout of a stack that runs."""
    detour = any(node.kind is Kind.PROXY for node in now.nodes)
    local = all(node.kind is not Kind.GATEWAY for node in now.nodes)
    return Layout(state=state, port_offset=now.port_offset, detour=detour, local_gateway=local)


def ground_of(layout: Layout, now: StackRecord, more: tuple[Target, ...] = ()) -> Ground:
    """Everything that faults work on. Kafka is looked at past the proxy."""
    targets = [_target(layout, node) for node in now.processes if node.kind not in SPARED]
    return Ground(
        targets=(*targets, *more),
        bootstrap_servers=direct_servers(layout),
        names=KafkaNames(
            transactional_ids=tuple(f"{CONNECT_GROUP}-{service.connector}-0" for service in SERVICES),
            reads={service.name: read_by(service.name) for service in SERVICES},
            types={kind.topic: name for name, kind in MESSAGES.items()},
        ),
        tools={
            ADMIN_DATABASE: database(layout, postgres.SUPERUSER, "postgres"),
            DATABASES: {s.name: database(layout, AUDITOR_ROLE, s.database) for s in SERVICES},
            RELAYS: relays_of(layout),
            OPERATOR: Operator(
                admin=database(layout, postgres.SUPERUSER, INVENTORY.database),
                app=database(layout, INVENTORY.role("app"), INVENTORY.database),
            ),
        },
    )


def disks_of(state: Path) -> dict[str, Disk]:
    """Where each process with data of its own writes it."""
    layout = Layout(state=state)
    places = {name: kafka.folder(layout, name) for name in BROKERS}
    places["postgres"] = postgres_home.find_home(state).data.parent
    return {name: Disk(place, layout.logs / f"{name}.log") for name, place in places.items()}


def relays_of(layout: Layout) -> Relays:
    """What may be taken from the relays, and the command that an operator would give then."""
    servers = direct_servers(layout)
    rebalance = partial(membership.rebalance, servers.split(","))
    return Relays(
        ConnectClient(layout.connect_urls.split(","), rebalance=rebalance),
        servers,
        database(layout, postgres.SUPERUSER, "postgres"),
        partial(_recover, layout),
    )


def _recover(layout: Layout) -> list[str]:
    done = recovery.recover(layout, confirm=lambda: True, repair=audits.after_recovery)
    return [each.kind for each in done]


def endpoints_of(layout: Layout) -> Endpoints:
    """Where the evidence is, for an auditor who takes no detour."""
    urls = {s.name: database(layout, AUDITOR_ROLE, s.database) for s in SERVICES}
    return Endpoints(
        bootstrap_servers=direct_servers(layout),
        databases={name: url.render_as_string(hide_password=False) for name, url in urls.items()},
        audit=database(layout, AUDITOR_ROLE, AUDIT.database),
        urls={service.name: layout.url(service.name) for service in SERVICES},
        gateway=layout.gateway_url,
        strangers=frozenset({STRANGER}),
    )


def direct_servers(layout: Layout) -> str:
    return ",".join(layout.address(name) for name in BROKERS)


def database(layout: Layout, role: str, name: str) -> URL:
    """With the role's password."""
    password = (layout.secrets / role).read_text().strip()
    return make_url(layout.database_url(role, name)).set(password=password)


def _target(layout: Layout, node: NodeRecord) -> Target:
    return Target(
        node.name,
        node.kind,
        partial(_find, layout.state, node.name),
        port=layout.port(node.name),
        node_id=BROKERS.index(node.name) + 1 if node.name in BROKERS else None,
        group=_groups().get(node.name),
    )


def _groups() -> dict[str, str]:
    return {f"{service.name}-worker": service.name for service in SERVICES}


def _find(state: Path, name: str) -> psutil.Process | None:
    """A node's process, if it is a child of the stack's parent: any other has only the same pid."""
    now = record.read_running(state)
    pid = next((node.pid for node in now.nodes if node.name == name), None) if now else None
    try:
        process = psutil.Process(pid) if pid else None
        return process if process and now and process.ppid() == now.parent else None
    except psutil.NoSuchProcess:
        return None


@contextmanager
def twins(layout: Layout, more: int = 1) -> Iterator[tuple[Target, ...]]:
    """More workers of each service: a frozen one's partitions have somewhere to go."""
    with ExitStack() as running:
        yield tuple(
            running.enter_context(_twin(layout, service, number))
            for number in range(more)
            for service in SERVICES
        )


@contextmanager
def _twin(layout: Layout, service: Service, number: int) -> Iterator[Target]:
    """Nobody starts it again: it is hit by what it survives."""
    name = f"{service.name}-worker"
    node = next(node for node in nodes(layout) if node.name == name)
    own = f"another-{name}" if number == 0 else f"another-{name}-{number + 1}"
    port = layout.port(name) + TWIN_PORTS + number * len(SERVICES)
    environment = environment_of(node) | {"HEALTH_BIND": f"{HOST}:{port}"}
    with (layout.logs / f"{own}.log").open("ab") as log:
        process = subprocess.Popen(
            leashed(node.command), env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield Target(own, Kind.WORKER, partial(_alive, process), port=port, group=service.name)
    finally:
        process.terminate()
        try:
            process.wait(TWIN_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _alive(process: subprocess.Popen[bytes]) -> psutil.Process | None:
    return psutil.Process(process.pid) if process.poll() is None else None
