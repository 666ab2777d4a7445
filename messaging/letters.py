"""Dead letters as people see them: which are meant, what waits in which order, and one of them in full."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from sqlalchemy import Connection, Row

from contracts.messages import MESSAGES
from messaging import sql
from messaging.envelope import TRACEPARENT, Delivery
from runtime import trace

LETTERS_MAX = 1000
WITHHELD = "[withheld]"
_HEADERS_SHOWN = frozenset({"id", "content-type", "sequence", "saga_id"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which waiting letters are meant; a field that is None lets all through."""

    key: str | None = None
    id: int | None = None
    type: str | None = None
    reason: str | None = None  # part of it, in whatever case
    older_than: float | None = None  # seconds since it was parked

    @property
    def is_everything(self) -> bool:
        return self == Wanted()

    def as_parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("key", "id", "type", "reason", "older_than")}


EVERYTHING = Wanted()


def list_waiting(
    connection: Connection, wanted: Wanted = EVERYTHING, *, limit: int = LETTERS_MAX
) -> list[dict[str, Any]]:
    """The letters that nobody has settled yet, oldest first, without their payloads."""
    rows = connection.execute(sql.LIST_LETTERS, {**wanted.as_parameters(), "limit": limit})
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


def held_keys(connection: Connection, consumer: str, wanted: Wanted) -> list[str]:
    """The held keys whose first waiting letter is wanted, the longest held first."""
    rows = connection.execute(sql.HELD_KEYS, {"consumer": consumer, **wanted.as_parameters()})
    return [row.key for row in rows]


def queue(connection: Connection, consumer: str, key: str) -> list[Row[Any]]:
    """What waits for a key, in the order in which it will be handled."""
    return list(connection.execute(sql.QUEUE_OF_KEY, {"consumer": consumer, "key": key}))


def delivery(letter: Row[Any]) -> Delivery:
    """The letter as the record that it came in."""
    headers = letter.headers if isinstance(letter.headers, dict) else json.loads(letter.headers)
    return Delivery(
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        key=letter.key,
        value=bytes(letter.value),
        headers=headers,
    )


def show(connection: Connection, letter_id: int) -> dict[str, Any] | None:
    """One letter, settled or not, with what of its headers and payload people may see; None: no such."""
    letter = connection.execute(sql.GET_LETTER, {"id": letter_id}).first()
    if letter is None:
        return None
    told = delivery(letter)
    shown = {"headers": _headers(told.headers), "payload": payload(told.value)}
    rest = {name: value for name, value in letter._mapping.items() if name != "value"}  # noqa: SLF001
    return {**rest, **shown, "bytes": len(told.value)}


def payload(value: bytes) -> Any:
    """The payload without what is private: fields that no message has may be that, so they are too."""
    try:
        content = json.loads(value)
    except ValueError as error:
        # The reason names a place, never what stands there.
        return f"{WITHHELD}, it is no JSON: {type(error).__name__} at {getattr(error, 'pos', 0)}"
    return _public(content)


def _public(content: Any) -> Any:
    if isinstance(content, dict):
        return {
            str(name): _inside(value) if name in PUBLIC_FIELDS else WITHHELD
            for name, value in content.items()
        }
    return [_public(each) for each in content] if isinstance(content, list) else WITHHELD


def _inside(value: Any) -> Any:
    return _public(value) if isinstance(value, dict | list) else value


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The relay's. A traceparent is shown where it is one: anybody may have put something there."""

    def is_ours(name: str, value: str) -> bool:
        if name == TRACEPARENT:
            return trace.parse(value) is not None
        return name in _HEADERS_SHOWN or name.startswith("ce_")

    return {name: value if is_ours(name, value) else WITHHELD for name, value in headers.items()}


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    """Every field of a payload, at whatever depth, and whether it may be shown (`repr` in its contract)."""
    for name, field in model.model_fields.items():
        yield name, field.repr
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _fields(part)


_ALL_FIELDS = [field for message in MESSAGES.values() for field in _fields(message)]
_PRIVATE_FIELDS = {name for name, shown in _ALL_FIELDS if not shown}
PUBLIC_FIELDS = frozenset(name for name, _ in _ALL_FIELDS) - _PRIVATE_FIELDS
