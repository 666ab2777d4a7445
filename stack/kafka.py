"""The three brokers: their settings, their command line, and the formatting of their storage."""

import os
import socket
import subprocess
import sys
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from connect import jars
from contracts.topics import MIN_INSYNC_REPLICAS, PARTITIONS, REPLICATION_FACTOR, RETENTION_MS
from stack.layout import BROKERS, Layout
from stack.ports import HOST

FORMAT_SECONDS_MAX = 120
LOG_CONFIGURATION = Path(__file__).with_name("broker-log4j2.properties")

# The same for every broker; the same values stand in docker-compose.yml.
SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # Kafka 4 makes this the cluster's at the controller's first start; a later change here does nothing.
    "min.insync.replicas": str(MIN_INSYNC_REPLICAS),
    "default.replication.factor": str(REPLICATION_FACTOR),
    "num.partitions": str(PARTITIONS),
    "auto.create.topics.enable": "false",
    "unclean.leader.election.enable": "false",
    "log.message.timestamp.type": "LogAppendTime",
    "log.retention.ms": str(RETENTION_MS),
    # A group that was away for longer than the messages are kept must fail loudly, not lose its place.
    "offsets.retention.minutes": str(365 * 24 * 60),
    "offsets.topic.replication.factor": str(REPLICATION_FACTOR),
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.replication.factor": str(REPLICATION_FACTOR),
    "transaction.state.log.min.isr": str(MIN_INSYNC_REPLICAS),
    "transaction.state.log.num.partitions": "3",
    "share.coordinator.state.topic.num.partitions": "1",
    # How soon a dead broker's partitions are led by another; lower, and a busy machine fences the living.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "250",
    "group.min.session.timeout.ms": "2000",
    "controller.quorum.fetch.timeout.ms": "1000",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.election.backoff.max.ms": "300",
    "leader.imbalance.check.interval.seconds": "20",
    "group.initial.rebalance.delay.ms": "0",
    # A relay begins its next transaction while the last one's end is still being written, and asks again.
    "add.partitions.to.txn.retry.backoff.ms": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "2000",
    # Small, since three brokers share one machine.
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.index.size.max.bytes": "1048576",
    "num.io.threads": "4",
    "num.network.threads": "2",
}

JVM_OPTIONS = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC")
FORMAT_OPTIONS = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def folder(layout: Layout, broker: str) -> Path:
    return layout.kafka / broker


def properties(layout: Layout, broker: str) -> dict[str, str]:
    """All of one broker's server.properties."""
    own = {
        "node.id": str(_number(broker)),
        "listeners": f"PLAINTEXT://{layout.address(broker)},CONTROLLER://{layout.address(_controller(broker))}",
        "advertised.listeners": f"PLAINTEXT://{layout.address(broker)}",
        "controller.quorum.voters": ",".join(
            f"{_number(each)}@{HOST}:{layout.port(_controller(each))}" for each in BROKERS
        ),
        "log.dirs": str(folder(layout, broker) / "data"),
        **SETTINGS,
    }
    return _with_detour(layout, broker, own) if layout.detour else own


def _with_detour(layout: Layout, broker: str, own: dict[str, str]) -> dict[str, str]:
    """Two listeners more: one tells clients the proxy's address as the broker's, one is for other brokers.

    Brokers call one another by name, and each looks names up in a file of its own.
    """
    peers, controller = f"{broker}-peers", _controller(broker)
    more = {
        "listeners": f"DETOUR://{layout.address(f'{broker}-client')},PEERS://{layout.address(peers)}",
        "advertised.listeners": f"DETOUR://{layout.address(f'{broker}-detour')}"
        f",PEERS://{broker}:{layout.port(peers)},CONTROLLER://{broker}:{layout.port(controller)}",
        "listener.security.protocol.map": "DETOUR:PLAINTEXT,PEERS:PLAINTEXT",
    }
    voters = ",".join(f"{_number(each)}@{each}:{layout.port(_controller(each))}" for each in BROKERS)
    return {
        **own,
        **{key: f"{own[key]},{value}" for key, value in more.items()},
        "inter.broker.listener.name": "PEERS",
        "controller.quorum.voters": voters,
    }


def hosts(broker: str) -> str:
    """Where a broker finds the others: each pair has an address of its own, at which the proxy listens."""
    lines = [f"{HOST} localhost {socket.gethostname()} {broker}"]
    lines += [f"{_between(broker, other)} {other}" for other in BROKERS if other != broker]
    return "".join(f"{line}\n" for line in lines)


def links(layout: Layout) -> Iterator[str]:
    """The proxy's links between brokers, as chaos/proxy.py takes them: `FROM>TO` and `FROM>TO/controller`."""
    for broker in BROKERS:
        for other in BROKERS:
            for part, name in (("", f"{other}-peers"), ("/controller", _controller(other))):
                if other != broker:
                    listen = f"{_between(broker, other)}:{layout.port(name)}"
                    yield f"{broker}>{other}{part}={listen},{layout.address(name)}"


def _between(broker: str, other: str) -> str:
    return f"127.77.{_number(broker)}.{_number(other)}"


def as_text(values: dict[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in values.items())


def command(layout: Layout, broker: str) -> tuple[str, ...]:
    logging = f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}"
    return (
        *_java(layout),
        *JVM_OPTIONS,
        *layout.jvm_flags.get(broker, ()),
        *((f"-Djdk.net.hosts.file={_hosts_file(layout, broker)}",) if layout.detour else ()),
        logging,
        "kafka.Kafka",
        _file(layout, broker),
    )


def format_command(layout: Layout, broker: str, cluster_id: str) -> tuple[str, ...]:
    # One word, as the id may begin with a dash.
    name = f"--cluster-id={cluster_id}"
    tool = ("kafka.tools.StorageTool", "format", name, "-c", _file(layout, broker))
    return (*_java(layout), *FORMAT_OPTIONS, *tool)


def prepare(layout: Layout) -> None:
    """Write every broker's settings, and format the storage of those that have none, all at once."""
    cluster_id = _cluster_id(layout)
    for broker in BROKERS:
        folder(layout, broker).mkdir(parents=True, exist_ok=True)
        Path(_file(layout, broker)).write_text(as_text(properties(layout, broker)))
        if layout.detour:
            _hosts_file(layout, broker).write_text(hosts(broker))
    new = [broker for broker in BROKERS if not _is_formatted(layout, broker)]
    with ExitStack() as running:
        formats = [
            running.enter_context(subprocess.Popen(format_command(layout, broker, cluster_id)))
            for broker in new
        ]
        codes = [process.wait(FORMAT_SECONDS_MAX) for process in formats]
        if any(codes):
            raise SystemExit("the storage of the brokers could not be formatted; the lines above say why")


def _is_formatted(layout: Layout, broker: str) -> bool:
    files = ("meta.properties", "bootstrap.checkpoint")
    return all((folder(layout, broker) / "data" / name).exists() for name in files)


def _cluster_id(layout: Layout) -> str:
    """Made once, kept with the data: the brokers refuse storage of another cluster."""
    path = layout.kafka / "cluster-id"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        unfinished.rename(path)
    return path.read_text()


def _file(layout: Layout, broker: str) -> str:
    return str(folder(layout, broker) / "server.properties")


def _hosts_file(layout: Layout, broker: str) -> Path:
    return folder(layout, broker) / "hosts"


def _java(layout: Layout) -> tuple[str, ...]:
    return (layout.java, "-cp", jars.class_path(layout.cache, "broker"))


def _number(broker: str) -> int:
    return BROKERS.index(broker) + 1


def _controller(broker: str) -> str:
    return f"{broker}-controller"


if __name__ == "__main__":
    _state, _cache, _java_path, _offset, *_detour = sys.argv[1:]
    prepare(
        Layout(
            state=Path(_state),
            cache=Path(_cache),
            java=_java_path,
            port_offset=int(_offset),
            detour=bool(_detour),
        )
    )
