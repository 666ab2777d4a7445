"""The contracts as they were released last, and what a change since then would break.

A message may wait for days: in an outbox, in a topic, as a dead letter. So what was released is read as long
as one of it may be anywhere; and old and new processes run side by side while a system is brought up to date.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from contracts.compatibility import Json, broken
from contracts.json_schema import schema
from contracts.messages import MESSAGES
from contracts.topics import MESSAGE_TOPICS

FOLDER = Path(__file__).with_name("released")
TOPICS = FOLDER / "topics.json"


@dataclass(frozen=True, slots=True)
class Channel:
    """What of a topic nobody may change: its partitions, and the types of message that it carries."""

    partitions: int
    types: list[str]


@dataclass(frozen=True, slots=True)
class Contracts:
    """Every message's JSON Schema by its type, and every topic."""

    messages: Mapping[str, Json]
    topics: Mapping[str, Channel]


def current() -> Contracts:
    """As the code says them."""
    topics = {
        topic.name: Channel(topic.partitions, [m.type for m in MESSAGES.values() if m.topic == topic.name])
        for topic in MESSAGE_TOPICS
    }
    return Contracts({name: schema(message) for name, message in MESSAGES.items()}, topics)


def released() -> Contracts:
    """As they were released last."""
    files = sorted(path for path in FOLDER.glob("*.json") if path != TOPICS)
    topics = json.loads(TOPICS.read_text())
    return Contracts(
        {path.stem: json.loads(path.read_text()) for path in files},
        {name: Channel(**told) for name, told in topics.items()},
    )


def changes(old: Contracts, new: Contracts) -> list[str]:
    """All that somebody who knows the old contracts could not live with, each with what to do instead."""
    return [*_of_messages(old, new), *_of_topics(old, new)]


def release(contracts: Contracts) -> None:
    """Keep these as what was released last."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, described in contracts.messages.items():
        (FOLDER / f"{name}.json").write_text(_as_text(described))
    TOPICS.write_text(_as_text({name: asdict(topic) for name, topic in contracts.topics.items()}))


def next_version(name: str) -> str:
    """The name of the next version of a type: `order.created.v2` after `order.created.v1`."""
    stem, _, number = name.rpartition(".v")
    return f"{stem}.v{int(number) + 1}"


def _of_messages(old: Contracts, new: Contracts) -> Iterator[str]:
    for name, described in old.messages.items():
        if name not in new.messages:
            yield (
                f"{name} is gone, and one may still wait in an outbox, a topic or a dead letter. Keep it,"
                f" beside {next_version(name)} where it has another form now; when none can be anywhere any"
                f" more: python -m contracts retire {name}"
            )
            continue
        for told in broken(described, new.messages[name]):
            yield f"{name}: {told}. Leave it as it was, and add {next_version(name)} beside it"


def _of_topics(old: Contracts, new: Contracts) -> Iterator[str]:
    for name, topic in old.topics.items():
        if name not in new.topics:
            yield f"topic {name} is gone, and may hold messages that somebody has not read. Keep it"
            continue
        if topic.partitions != new.topics[name].partitions:
            yield f"topic {name} had {topic.partitions} partitions: another number moves keys. Keep it"
        for moved in sorted(set(topic.types) & set(new.messages) - set(new.topics[name].types)):
            yield (
                f"{moved} has left topic {name}: its messages would be in no order with those there."
                f" Leave it there, and give {next_version(moved)} the new topic"
            )


def _as_text(told: object) -> str:
    return json.dumps(told, indent=2) + "\n"
