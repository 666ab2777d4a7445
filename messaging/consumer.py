"""A service as a consumer: the topics it reads, and what it does with each type of message."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from contracts.messages import MESSAGES, Command, CommandParked, Message
from contracts.topics import read_by, watched_by
from messaging import outbox
from messaging.envelope import ID, Delivery, as_uuid
from messaging.errors import UnreadableMessage
from messaging.rounds import rounds
from runtime import logs, trace

# Given at most one message per key, or all of them in offset order where the consumer `folds`; never commits;
# answers with what is to be told.
# May be called again with the same messages after a rollback.
Handler = Callable[[Connection, Sequence[Message]], list[Message]]

# Given every message of a batch, before the first round: locks the rows they concern, in sorted
# order, so that two workers with orders or skus in common cannot wait for each other.
Lock = Callable[[Connection, Sequence[Message]], None]


class Read(NamedTuple):
    """A delivery and the message in it."""

    key: str
    delivery: Delivery
    message: Message


@dataclass(frozen=True, slots=True)
class Consumer:
    """A service as a reader of topics: its group's name is the service's name."""

    service: str
    lock: Lock
    handlers: Mapping[str, Handler]
    parked: type[CommandParked] | None = None  # how it tells that a command was parked
    see: Callable[[Connection, Sequence[str]], None] | None = None  # told of topics that it only watches
    folds: bool = False  # its handlers take several messages of a key at once

    @property
    def topics(self) -> tuple[str, ...]:
        return (*read_by(self.service), *watched_by(self.service))

    @property
    def watches(self) -> frozenset[str]:
        """Topics whose records are only a sign of life: they carry no message."""
        return frozenset(watched_by(self.service))

    def read(self, delivery: Delivery) -> Message:
        """The delivery's message; UnreadableMessage where this service could not handle it."""
        if delivery.type not in self.handlers:
            raise UnreadableMessage(f"{self.service} has no handler for the type {delivery.type!r}")
        return delivery.message()

    def handle(self, connection: Connection, deliveries: Sequence[Delivery]) -> None:
        """Handle messages, round by round, or all at once; their answers go to the outbox. Never commits."""
        read = [Read(each.key, each, self.read(each)) for each in deliveries]
        self.lock(connection, [each.message for each in read])
        for each_round in [read] if self.folds else rounds(read):
            by_key = {each.key: each for each in each_round}
            # Of several messages that are folded a line cannot say which is meant: only what they share.
            ids = _trace if len(by_key) < len(each_round) else _message
            with logs.speaking_of(partial(_ids, by_key, ids)):
                answers = self._handle_round(connection, [each.message for each in each_round])
            spans = {key: each.delivery.traceparent for key, each in by_key.items()}
            outbox.write(connection, self.service, answers, spans)

    def tell_parked(self, connection: Connection, deliveries: Sequence[Delivery], reason: str) -> None:
        """Tell whoever waits for answers to commands that none will come by itself."""
        notices = [self._notice(delivery, reason.splitlines()[0][:500]) for delivery in deliveries]
        spans = {delivery.key: delivery.traceparent for delivery in deliveries}
        outbox.write(connection, self.service, [notice for notice in notices if notice], spans)

    def _notice(self, delivery: Delivery, reason: str) -> Message | None:
        kind, order_id = MESSAGES.get(delivery.type), as_uuid(delivery.key)
        if self.parked is None or order_id is None or kind is None or not issubclass(kind, Command):
            return None
        return self.parked(order_id=order_id, command=delivery.type, reason=reason)

    def _handle_round(self, connection: Connection, messages: Sequence[Message]) -> list[Message]:
        """Each handler is called once, with all the messages that are its own."""
        groups: dict[Handler, list[Message]] = {}
        for message in messages:
            groups.setdefault(self.handlers[message.type], []).append(message)
        return [answer for handler, group in groups.items() for answer in handler(connection, group)]


def _ids(by_key: Mapping[str, Read], ids: Callable[[Delivery], dict[str, str]], key: str) -> dict[str, str]:
    """What a line about an order names."""
    return ids(by_key[key].delivery) if key in by_key else {}


def _message(delivery: Delivery) -> dict[str, str]:
    return {"event_id": delivery.headers[ID], **_trace(delivery)}


def _trace(delivery: Delivery) -> dict[str, str]:
    return {"trace_id": trace.of_ours(delivery.traceparent)}
