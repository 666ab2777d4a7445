"""Every topic: who writes and reads it, what it carries, how it is made."""

from collections.abc import Iterator, Mapping

from contracts.messages import MESSAGES
from contracts.services import SERVICES
from contracts.topics import (
    ALL_TOPICS,
    CANARY,
    MESSAGE_TOPICS,
    MIN_INSYNC_REPLICAS,
    REPLICATION_FACTOR,
    Topic,
)
from reference.markdown import code, codes, page, table

_HEAD = ("topic", "written by", "read by", "carries", "partitions", "kept")
_PURPOSE = {
    CANARY.name: "a row that proves a relay",
    **{service.heartbeat_topic: "a relay's sign of life" for service in SERVICES},
    **{service.offsets_topic: "how far a relay is" for service in SERVICES},
}


def document() -> str:
    """The page of the topics."""
    others = [topic for topic in ALL_TOPICS if topic not in MESSAGE_TOPICS]
    return page(
        "Topics",
        f"All have {REPLICATION_FACTOR} replicas, of which {MIN_INSYNC_REPLICAS} must have a record"
        " before it is acknowledged, and no unclean election. The key of a message is the order id: the"
        " messages of an order keep their order within a topic, and have none between topics. The number"
        " of partitions is fixed for life. The consumer group of a service has the service's name.",
        "## Of messages",
        table(_HEAD, map(_row, MESSAGE_TOPICS)),
        "## Of the machinery",
        "They carry no message; no service's outbox may name one but the canary's.",
        table(_HEAD, map(_row, others)),
        "## Settings",
        "What topics have beside a broker's defaults.",
        table(("topics", "settings"), _settings()),
    )


def _row(topic: Topic) -> tuple[str, ...]:
    types = [message.type for message in MESSAGES.values() if message.topic == topic.name]
    return (
        code(topic.name),
        "every service" if topic.writer == "*" else topic.writer,
        ", ".join(topic.readers) or "nobody here",
        codes(types) or _PURPOSE.get(topic.name, "what Connect keeps for itself"),
        str(topic.partitions),
        kept(topic.settings),
    )


def kept(settings: Mapping[str, str]) -> str:
    """How long, in words."""
    if settings["cleanup.policy"] == "compact":
        return "the last of each key"
    return f"{int(settings['retention.ms']) // 86_400_000} days"


def _settings() -> Iterator[tuple[str, str]]:
    """Topics that are made alike share a row."""
    alike: dict[str, list[str]] = {}
    for topic in ALL_TOPICS:
        told = codes(f"{key}={value}" for key, value in sorted(topic.all_settings.items()))
        alike.setdefault(told, []).append(topic.name)
    for told, names in alike.items():
        yield codes(names), told
