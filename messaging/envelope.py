"""One Kafka record as this project sees it: the envelope from its headers, the message from its value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import ValidationError

from contracts.messages import MESSAGES, Command, Message
from messaging.errors import UnreadableMessage
from runtime import redaction, trace

# How the relay names what it puts into headers (see connect/connectors/*.json).
ID, TYPE, TRACEPARENT = "ce_id", "ce_type", "traceparent"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record that came from a topic. `event_id` is None where the record carries no valid id.

    `traceparent` names the span of what is done with it, however often that is tried.
    """

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Mapping[str, str]
    event_id: UUID | None = field(init=False)
    traceparent: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "event_id", as_uuid(self.headers.get(ID, "")))
        object.__setattr__(self, "traceparent", trace.follow(self.headers.get(TRACEPARENT)))

    @property
    def type(self) -> str:
        return self.headers.get(TYPE, "")

    @property
    def passes_hold(self) -> bool:
        kind = MESSAGES.get(self.type)
        return kind is not None and issubclass(kind, Command) and kind.compensation

    def message(self) -> Message:
        """The payload, checked against its type; UnreadableMessage where it is not one of ours."""
        kind = MESSAGES.get(self.type)
        if kind is None:
            raise UnreadableMessage(f"the type {self.type!r} is not known")
        try:
            message = kind.delivered(self.value, self.event_id, self.traceparent)
        except ValidationError as error:
            raise UnreadableMessage(redaction.fields(error)) from None
        if message.key != self.key:
            raise UnreadableMessage(f"the key {self.key!r} is not the order id {message.key}")
        return message


def as_uuid(text: str) -> UUID | None:
    """The id that the text is; None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
