"""The order service's relay with exactly once switched off, beside the system's own.

A Connect worker in a group of its own, from the same properties, and in it a connector from the same file,
which reads the same rows from another slot and brings them to another topic. Otherwise it differs only in
what exactly once asks for. It may repeat after a crash; what it writes is visible at once.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import announcing
from benchmarks.bringing import Relay, slot
from benchmarks.databases import free_port
from benchmarks.reader import Reader
from connect import cluster, worker
from connect.client import ConnectClient, ConnectError
from connect.configurations import configuration
from contracts.services import ORDER
from contracts.topics import ALL_TOPICS, Topic
from messaging.topics import make_topics, patiently
from runtime.waiting import until
from stack import launch, topology
from stack.kafka import as_text
from stack.layout import CONNECT_WORKERS, ROOT, Layout
from stack.leash import leashed
from stack.node import Node
from stack.ports import HOST
from stack.process import environment_of

NAME = "connect-at-least-once"
CONNECTOR, SLOT, TOPIC = "bench-order-outbox", "bench_order_outbox", f"bench-{announcing.TOPIC}"
READY_SECONDS_MAX = 120.0

# Each new topic, and the one whose place it takes. A connector's own offsets topic is for exactly once.
_TOPICS = {
    TOPIC: announcing.TOPIC,
    "bench-connect-configs": "connect-configs",
    "bench-connect-offsets": ORDER.offsets_topic,
    "bench-connect-status": "connect-status",
    f"bench-heartbeat.{ORDER.name}": ORDER.heartbeat_topic,
}
_WORKER = {
    "group.id": "bench-connect",
    "exactly.once.source.support": "disabled",
    "config.storage.topic": "bench-connect-configs",
    "offset.storage.topic": "bench-connect-offsets",
    "status.storage.topic": "bench-connect-status",
    # Connect turns it off without exactly once, and of five requests on the way one could overtake another.
    "producer.enable.idempotence": "true",
    # No transaction ends here, so a batch that is not full waits in earnest: no longer than Kafka's own wait.
    "producer.linger.ms": "5",
}
_CONNECTOR = {
    "slot.name": SLOT,
    "topic.heartbeat.prefix": "bench-heartbeat",
    "transforms.outbox.route.topic.replacement": "bench-${routedByValue}",
}
_FOR_EXACTLY_ONCE = {"exactly.once.support", "transaction.boundary", "offsets.storage.topic"}


def properties() -> str:
    """The worker's file."""
    lines = worker.PROPERTIES.read_text().splitlines(keepends=True)
    kept = (line for line in lines if line.partition("=")[0] not in _WORKER)
    return "".join(kept) + as_text(_WORKER)


def connector() -> dict[str, str]:
    """The connector's configuration."""
    own = configuration(ORDER.connector)
    return {key: value for key, value in own.items() if key not in _FOR_EXACTLY_ONCE} | _CONNECTOR


def topics() -> list[Topic]:
    """Each with the partitions, the leader and the settings of the one whose place it takes."""
    known = {topic.name: topic for topic in ALL_TOPICS}
    return [replace(known[old], name=new) for new, old in _TOPICS.items()]


@contextmanager
def running(layout: Layout, servers: str) -> Iterator[tuple[Relay, int]]:
    """The relay, stopped, with all rows from now on before it; and its worker's pid."""
    _make_topics(servers.split(","))
    with slot(layout, SLOT) as position, Reader(servers, TOPIC) as reader:
        port = free_port()
        with _worker(layout, port) as pid:
            relay = Relay(ConnectClient([f"http://{HOST}:{port}"]), CONNECTOR, reader)
            _register(relay, position)
            yield relay, pid


def _make_topics(servers: Sequence[str]) -> None:
    admin = cluster.connect(servers)
    try:
        patiently("topics", lambda: make_topics(admin, topics()))
    finally:
        admin.close()


@contextmanager
def _worker(layout: Layout, port: int) -> Iterator[int]:
    """Its log stands beside those of the system."""
    with TemporaryDirectory(prefix="neverlost-") as folder:
        path = Path(folder) / "worker.properties"
        path.write_text(properties())
        node = _node(layout, path, port)
        with (layout.logs / f"{NAME}.log").open("ab") as log:
            process = subprocess.Popen(
                leashed(node.command),
                env=environment_of(node),
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process.pid
        finally:
            launch.end(process)


def _node(layout: Layout, path: Path, port: int) -> Node:
    """A worker of the system, with another file and another port."""
    own = next(node for node in topology.nodes(layout) if node.name == CONNECT_WORKERS[-1])
    command = (*own.command[:-1], str(path))
    return replace(own, command=command, environment={**own.environment, "CONNECT_REST_PORT": str(port)})


def _register(relay: Relay, position: int) -> None:
    """Where it begins is set beforehand: by itself it would begin at the end of the log as it is then."""

    def is_ready() -> bool:
        relay.client.check_health()
        return True

    until(is_ready, within_seconds=READY_SECONDS_MAX, what=NAME, retry_on=(ConnectError,))
    relay.client.register_stopped(CONNECTOR, connector())
    relay.until_stands()
    offset = dict.fromkeys(("lsn", "lsn_proc", "lsn_commit"), position)
    relay.client.set_offset(CONNECTOR, {"server": ORDER.name}, offset)
