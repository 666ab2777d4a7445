"""Who holds which role in Kafka right now: leaders, coordinators, the controller, and who lags behind."""

import ctypes
from contextlib import closing
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from chaos.targets import NothingToHit
from connect.cluster import connect

ASK_SECONDS_MAX = 5.0
_ASK_MS = 5_000
TRANSACTIONS, OFFSETS = "__transaction_state", "__consumer_offsets"


def java_hash(text: str) -> int:
    """Java's String.hashCode, by which Kafka spreads ids over the partitions of its own topics."""
    units = memoryview(text.encode("utf-16-le")).cast("H")
    value = 0
    for unit in units:
        value = (31 * value + unit) & 0xFFFFFFFF
    return ctypes.c_int32(value).value


def partition_of(name: str, partitions: int) -> int:
    """The partition whose leader coordinates a transactional id or a group."""
    value = java_hash(name)
    # Java's absolute value of the smallest integer is itself; Kafka takes 0 instead.
    return (0 if value == -(2**31) else abs(value)) % partitions


class Cluster:
    """Looks at a cluster from outside, by a client that shares no code with the services' own.

    But for the controller: of which broker that is, only theirs tells the truth.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})

    def holder_of(self, role: str, name: str) -> int:
        """The number of the broker that holds a role. Raises NothingToHit when nobody does."""
        if role == "controller":
            return self._controller()
        if role == "leader":
            topic, _, number = name.partition("/")
            return self._leader(topic, int(number or 0))
        topic = TRANSACTIONS if role == "transaction-coordinator" else OFFSETS
        partitions = len(self._metadata(topic).topics[topic].partitions)
        if not partitions:
            raise NothingToHit(f"{topic} is not there yet")
        return self._leader(topic, partition_of(name, partitions))

    def shrunk(self) -> int | None:
        """How many partitions have fewer replicas in sync than they should; None when nobody tells."""
        try:
            topics = self._metadata().topics.values()
        except KafkaException:
            return None
        return sum(len(p.isrs) < len(p.replicas) for topic in topics for p in topic.partitions.values())

    def _leader(self, topic: str, number: int) -> int:
        partition = self._metadata(topic).topics[topic].partitions.get(number)
        if partition is None or partition.leader < 0:
            raise NothingToHit(f"{topic}/{number} has no leader")
        return int(partition.leader)

    def _metadata(self, topic: str | None = None) -> Any:
        return self._admin.list_topics(topic=topic, timeout=ASK_SECONDS_MAX)

    def _controller(self) -> int:
        """From the quorum itself: what brokers call the controller in their metadata is any broker."""
        servers = self._servers.split(",")
        with closing(connect(servers, request_ms=_ASK_MS, first_contact_ms=_ASK_MS)) as admin:
            quorum = admin.describe_metadata_quorum()
        return int(quorum["topics"][0]["partitions"][0]["leader_id"])
