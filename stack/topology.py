"""The list of everything the stack starts, and what waits for what: the native twin of docker-compose.yml."""

import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from connect import worker
from contracts.services import SERVICES
from stack import kafka, postgres, services, watchers
from stack.layout import BROKERS, CONNECT_WORKERS, Layout
from stack.node import Answers, Ends, Kind, Listens, Node, Succeeds
from stack.ports import HOST

JVM_STOP_SECONDS = 20
# A broker that starts takes a core for ten seconds, just when the others take over what it led.
BROKER_REST_SECONDS = 5
# Longer than any job waits by itself: its own error says more than ours.
JOB_SECONDS_MAX = 240
CONNECT_JVM_OPTIONS = ("-Xms256m", "-Xmx768m", "-XX:+UseSerialGC")


def nodes(layout: Layout) -> tuple[Node, ...]:
    """Every node of a layout, from the layout alone: nothing is started or looked for."""
    return (
        *_postgres(layout),
        *_brokers(layout),
        *_detour(layout),
        *_jobs(layout),
        *(_connect_worker(layout, name) for name in CONNECT_WORKERS),
        *services.nodes(layout),
        *watchers.nodes(layout),
    )


def with_dependencies(wanted: Iterable[str], all_nodes: Iterable[Node]) -> tuple[Node, ...]:
    """The wanted nodes and everything they wait for, in the list's own order."""
    by_name = {node.name: node for node in all_nodes}
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += by_name[name].after
    return tuple(node for name, node in by_name.items() if name in found)


def _postgres(layout: Layout) -> Iterator[Node]:
    home = layout.postgres_home
    place = (str(home.binaries), str(home.data), home.account or "")
    yield _job(layout, "postgres-data", ("stack.postgres", *place, str(layout.secrets / postgres.SUPERUSER)))
    yield Node(
        name="postgres",
        kind=Kind.DATABASE,
        command=postgres.command(
            home, layout.port("postgres"), {"max_slot_wal_keep_size": f"{layout.slot_wal_keep_mb}MB"}
        ),
        port=layout.port("postgres"),
        ready=Succeeds(postgres.is_accepting(home, layout.port("postgres"))),
        after=("postgres-data",),
        account=home.account,
        folder=Path("/"),  # One that every account can enter.
        # Fast shutdown: sessions are ended, a checkpoint is written. An orphan skips the checkpoint.
        stop_signal=signal.SIGINT,
        stop_seconds=20,
        orphan_signal=signal.SIGQUIT,
    )


def _brokers(layout: Layout) -> Iterator[Node]:
    place = (str(layout.state), str(layout.cache), layout.java, str(layout.port_offset))
    detour = ("detour",) if layout.detour else ()
    yield _job(layout, "broker-data", ("stack.kafka", *place, *detour))
    for name in BROKERS:
        yield Node(
            name=name,
            kind=Kind.BROKER,
            command=kafka.command(layout, name),
            port=layout.port(name),
            ready=Listens(),
            after=("broker-data",),
            stop_seconds=JVM_STOP_SECONDS,
            rest_seconds=BROKER_REST_SECONDS,
        )


def _detour(layout: Layout) -> Iterator[Node]:
    """The proxy between clients and brokers, and between brokers, where one is wished for."""
    if layout.detour:
        links = (
            f"{name}={layout.address(f'{name}-detour')},{layout.address(f'{name}-client')}"
            for name in BROKERS
        )
        yield Node(
            name="detour",
            kind=Kind.PROXY,
            command=(
                *(layout.python, "-m", "chaos.proxy", layout.address("detour")),
                *links,
                *kafka.links(layout),
            ),
            port=layout.port("detour"),
            ready=Listens(),
        )


def _jobs(layout: Layout) -> Iterator[Node]:
    admin = {
        "ADMIN_DATABASE_URL": layout.database_url(postgres.SUPERUSER, "postgres"),
        "ADMIN_DATABASE_PASSWORD_FILE": str(layout.secrets / postgres.SUPERUSER),
    }
    brokers = {"KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap_servers}
    connect = {"CONNECT_URLS": layout.connect_urls}
    databases = {
        key: value
        for service in SERVICES
        for key, value in services.database(layout, service, f"{service.name.upper()}_").items()
    }
    secrets = {"SECRETS_DIR": str(layout.secrets)}
    yield _job(layout, "migrate", ("migrations",), after=("postgres",), environment={**admin, **secrets})
    servers = (*BROKERS, *(node.name for node in _detour(layout)))
    yield _job(layout, "topics", ("messaging.topics",), after=servers, environment=brokers)
    yield _job(
        layout, "slots", ("connect.slots",), after=("migrate", "topics"), environment={**admin, **brokers}
    )
    yield _job(
        layout,
        "connectors",
        ("connect.register",),
        after=("slots", "topics", *CONNECT_WORKERS),
        environment={**brokers, **connect, **databases},
    )


def _job(
    layout: Layout,
    name: str,
    module: tuple[str, ...],
    *,
    after: tuple[str, ...] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Node:
    """`module` with its arguments, to be run once."""
    return Node(
        name=name,
        kind=Kind.JOB,
        command=(layout.python, "-m", *module),
        ready=Ends(),
        ready_seconds=JOB_SECONDS_MAX,
        after=after,
        environment=environment,
    )


def _connect_worker(layout: Layout, name: str) -> Node:
    flags = (*CONNECT_JVM_OPTIONS, *layout.jvm_flags.get(name, ()))
    return Node(
        name=name,
        kind=Kind.CONNECT,
        command=tuple(worker.command(layout.java, layout.cache, flags)),
        port=layout.port(name),
        ready=Answers("/health"),
        stop_seconds=JVM_STOP_SECONDS,
        # Its own topics are made by the job, as all topics are; the relays' passwords by the bootstrap.
        after=("topics", "migrate"),
        environment={
            "KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap_servers,
            "CONNECT_REST_HOST": HOST,
            "CONNECT_REST_PORT": str(layout.port(name)),
            **_database_addresses(layout),
        },
        secrets={
            f"{service.name.upper()}_RELAY_PASSWORD": layout.secrets / service.role("relay")
            for service in SERVICES
        },
    )


def _database_addresses(layout: Layout) -> dict[str, str]:
    address = {"HOST": HOST, "PORT": str(layout.port("postgres"))}
    return {
        f"{service.name.upper()}_DATABASE_{part}": value
        for service in SERVICES
        for part, value in address.items()
    }
