"""Every message: its topic, who says it to whom, and its fields."""

from collections.abc import Iterator
from typing import Any

from contracts.json_schema import schema
from contracts.messages import MESSAGES, Command, CommandParked, Message, Reply
from contracts.topics import MESSAGE_TOPICS, Topic
from messaging.envelope import ID, TYPE
from reference.markdown import code, page, table

Schema = dict[str, Any]

TOPICS = {topic.name: topic for topic in MESSAGE_TOPICS}
# Of Message's own classes, the most special first.
_KINDS = ((Command, "command"), (Reply, "reply"), (CommandParked, "notice"), (Message, "event"))
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
}


def document() -> str:
    """The page of the messages."""
    return page(
        "Messages",
        "A payload is JSON; its JSON Schema stands in [contracts/schemas](../../contracts/schemas). A"
        f" reader ignores fields that it does not know. The header `{ID}` is the event's id, `{TYPE}` its"
        " type; the key is `order_id`. Amounts of money are in minor units (cents).",
        table(("type", "kind", "topic", "from", "to"), map(_overview, MESSAGES.values())),
        *(part for message in MESSAGES.values() for part in _section(message)),
    )


def kind_of(message: type[Message]) -> str:
    if getattr(message, "compensation", False):
        return "compensation"
    return next(name for kind, name in _KINDS if issubclass(message, kind))


def _overview(message: type[Message]) -> tuple[str, ...]:
    topic = TOPICS[message.topic]
    anchor = message.type.replace(".", "")
    return (
        f"[`{message.type}`](#{anchor})",
        kind_of(message),
        code(topic.name),
        topic.writer,
        _readers(topic),
    )


def _readers(topic: Topic) -> str:
    return ", ".join(topic.readers) or "everybody who cares"


def _section(message: type[Message]) -> Iterator[str]:
    described = schema(message)
    yield f"## {message.type}"
    if text := described.get("description"):
        yield text
    yield table(("field", "form", "default"), fields(described))


def fields(described: Schema, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """The fields, and those inside them."""
    return _fields(described, described.get("$defs", {}), prefix)


def _fields(part: Schema, parts: dict[str, Schema], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in part.get("properties", {}).items():
        required = name in part.get("required", ())
        inner, many = _inside(field)
        place = f"{prefix}{name}{'[]' if many else ''}"
        default = "**required**" if required else code(str(field.get("default", "")))
        yield code(place), _form(field, inner), default
        if inner:
            yield from _fields(parts[inner], parts, f"{place}.")


def _inside(field: Schema) -> tuple[str, bool]:
    """The part that a field consists of, by name, and whether it is a list of them."""
    many = field.get("type") == "array"
    found = field.get("items", {}) if many else field
    return found.get("$ref", "").rpartition("/")[2], many


def _form(field: Schema, inner: str) -> str:
    what = (
        f"{'list of ' if field.get('type') == 'array' else ''}{inner or field.get('format', field['type'])}"
    )
    bounds = [told.format(field[bound]) for bound, told in _BOUNDS.items() if bound in field]
    return ", ".join([what, *bounds])
