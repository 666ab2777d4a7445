"""A service as a consumer: the topics it reads, and what it does with each type of message."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from contracts.messages import Message
from contracts.topics import read_by
from messaging import outbox
from messaging.envelope import Delivery
from messaging.errors import UnreadableMessage
from messaging.outbox import Outgoing
from messaging.rounds import rounds

# Given at most one message per key, all of one type, in offset order; never commits; answers with
# what is to be told. May be called again with the same messages after a rollback.
Handler = Callable[[Connection, Sequence[Message]], list[Outgoing]]

# Given every message of a batch, before the first round: locks the rows they concern, in sorted
# order, so that two workers with orders or skus in common cannot wait for each other.
Lock = Callable[[Connection, Sequence[Message]], None]


@dataclass(frozen=True, slots=True)
class Consumer:
    """A service as a reader of topics: its group's name is the service's name."""

    service: str
    lock: Lock
    handlers: Mapping[str, Handler]

    @property
    def topics(self) -> tuple[str, ...]:
        return read_by(self.service)

    def read(self, delivery: Delivery) -> Message:
        """The delivery's message; UnreadableMessage where this service could not handle it."""
        if delivery.type not in self.handlers:
            raise UnreadableMessage(f"{self.service} has no handler for the type {delivery.type!r}")
        return delivery.message()

    def handle(self, connection: Connection, deliveries: Sequence[Delivery]) -> None:
        """Handle messages, round by round; their answers go to the outbox. Never commits."""
        messages = [self.read(delivery) for delivery in deliveries]
        self.lock(connection, messages)
        for each_round in rounds(messages):
            outbox.write(connection, self.service, self._handle_round(connection, each_round))

    def _handle_round(self, connection: Connection, messages: Sequence[Message]) -> list[Outgoing]:
        by_type: dict[str, list[Message]] = {}
        for message in messages:
            by_type.setdefault(message.type, []).append(message)
        return [
            answer for kind, group in by_type.items() for answer in self.handlers[kind](connection, group)
        ]
