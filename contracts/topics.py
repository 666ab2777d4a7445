"""Every topic: who writes it, who must see it, and how it is made.

Nothing may rely on order between topics; within one, messages of a key (the order id) keep theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from contracts.services import SERVICES

PARTITIONS = 3  # Fixed for life: another number would send a key to another partition.
REPLICATION_FACTOR = 3
MIN_INSYNC_REPLICAS = 2
RETENTION_MS = 7 * 24 * 60 * 60 * 1000
# Kafka forgets whole segments, by their newest record. With its own 7 days for a segment, one with records of
# every hour would keep its first for 14, longer than the outbox keeps its rows.
SEGMENT_MS = 12 * 60 * 60 * 1000
HOUR_MS = 60 * 60 * 1000

# The broker's clock, so that an old event is not past its retention on arrival.
_EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "cleanup.policy": "delete",
        "retention.ms": str(RETENTION_MS),
        "segment.ms": str(SEGMENT_MS),
        "message.timestamp.type": "LogAppendTime",
    }
)
# What is still being written to is not compacted, and with the defaults that is a gigabyte or a week of
# positions, all of which Connect reads when it starts, and whoever asks where it is.
_COMPACTED: Mapping[str, str] = MappingProxyType(
    {"cleanup.policy": "compact", "segment.ms": str(HOUR_MS), "min.cleanable.dirty.ratio": "0.1"}
)


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic; `settings` are its own, beside those every topic has.

    `relay` names the service whose relay writes it, where that is not the writer itself.
    """

    name: str
    writer: str
    readers: tuple[str, ...] = ()
    partitions: int = PARTITIONS
    settings: Mapping[str, str] = field(default_factory=lambda: _EVENTS)
    relay: str | None = None

    def replicas(self, brokers: Sequence[int]) -> list[int] | None:
        """The brokers that keep it, the preferred leader first; None where any may.

        One broker leads all that a relay writes, so that its transaction is one request to send, one to join
        and one to mark, and not one of each a broker; readers and followers ask one broker for it, not three.
        Each of three relays has a broker of its own.
        """
        names = [service.name for service in SERVICES]
        home = self.relay or self.writer
        if home not in names or len(brokers) < REPLICATION_FACTOR:
            return None
        first = names.index(home)
        return [sorted(brokers)[(first + n) % len(brokers)] for n in range(REPLICATION_FACTOR)]

    @property
    def all_settings(self) -> dict[str, str]:
        return {
            "min.insync.replicas": str(MIN_INSYNC_REPLICAS),
            "unclean.leader.election.enable": "false",
            **self.settings,
        }


MESSAGE_TOPICS = (
    Topic("order-created", "order"),
    Topic("order-completed", "order", ("inventory",)),
    Topic("order-failed", "order"),
    Topic("payment-commands", "order", ("payment",)),
    Topic("payment-success", "payment", ("order",)),
    Topic("payment-failed", "payment", ("order",)),
    Topic("payment-refunded", "payment", ("order",)),
    Topic("inventory-commands", "order", ("inventory",)),
    Topic("stock-reserved", "inventory", ("order",)),
    Topic("stock-rejected", "inventory", ("order",)),
    Topic("stock-released", "inventory", ("order",)),
)

# Each relay writes a row here, and reads it back, before it is called ready.
CANARY = Topic("relay-canary", "*", partitions=1)

# The order service's deadlines pass only while every relay beats.
_HEARTBEATS = tuple(
    Topic(s.heartbeat_topic, "connect", ("order",), partitions=1, relay=s.name) for s in SERVICES
)

# One offsets topic a connector: a transaction left open by one cannot hold up another.
_CONNECTOR_OFFSETS = tuple(
    Topic(s.offsets_topic, "connect", partitions=1, settings=_COMPACTED, relay=s.name) for s in SERVICES
)
_CONNECT = (
    Topic("connect-configs", "connect", partitions=1, settings=_COMPACTED),
    Topic("connect-offsets", "connect", partitions=1, settings=_COMPACTED),
    Topic("connect-status", "connect", partitions=1, settings=_COMPACTED),
)

# What carries no events of orders.
OTHER_TOPICS = (CANARY, *_HEARTBEATS, *_CONNECTOR_OFFSETS, *_CONNECT)
ALL_TOPICS = (*MESSAGE_TOPICS, *OTHER_TOPICS)


def written_by(service: str) -> tuple[str, ...]:
    """The topics that the outbox of a service may name."""
    return (*(t.name for t in MESSAGE_TOPICS if t.writer == service), CANARY.name)


def watched_by(service: str) -> tuple[str, ...]:
    """The heartbeat topics that a service watches; they carry no messages."""
    return tuple(t.name for t in _HEARTBEATS if service in t.readers)


def read_by(service: str) -> tuple[str, ...]:
    """The topics whose every message a service must see."""
    return tuple(t.name for t in MESSAGE_TOPICS if service in t.readers)
