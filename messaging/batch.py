"""One batch: claim, rounds, outbox, COMMIT. The one transaction boundary of a message worker."""

import time
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from messaging import dead_letters, inbox
from messaging.consumer import Consumer
from messaging.envelope import Delivery
from messaging.errors import is_messages_own
from messaging.metrics import Outcome, count_messages
from messaging.rounds import halves, split_held
from messaging.spans import tell_handled
from runtime import redaction, trace

Became = Mapping[Outcome, Sequence[Delivery]]

log = structlog.get_logger(__name__)


class BatchProcessor:
    """Handles what one poll returned, once in effect however often it is delivered."""

    def __init__(self, engine: Engine, consumer: Consumer) -> None:
        self._engine = engine
        self._consumer = consumer
        self._window = inbox.InboxWindow()

    def process(self, deliveries: Sequence[Delivery]) -> None:
        """Return when every delivery is handled, queued or parked, and committed.

        Raises where the database, not a message, is to blame; nothing of the failing part is then
        kept, and the same deliveries may be given again.
        """
        began = time.time_ns()
        try:
            with self._engine.begin() as connection:
                became = self._handle(connection, deliveries)
        except Exception as error:
            if not is_messages_own(error):
                raise
            self._find_culprit(deliveries, error)
        else:
            count_messages(self.service, became)
            # Each message of a batch took as long as all of them.
            tell_handled(self.service, became.get(Outcome.HANDLED, ()), began)

    @property
    def service(self) -> str:
        return self._consumer.service

    def see(self, topics: Sequence[str]) -> None:
        """Note signs of life. Only signs: when one cannot be noted, the next one will be."""
        if self._consumer.see is None:
            return
        try:
            with self._engine.begin() as connection:
                self._consumer.see(connection, topics)
        except SQLAlchemyError as error:
            log.warning("signs of life were not noted", topics=list(topics), reason=redaction.explain(error))

    def _handle(self, connection: Connection, deliveries: Sequence[Delivery]) -> Became:
        fresh, became = self._claim(connection, deliveries)
        if not fresh:
            return became
        held = dead_letters.held_keys(connection, self._consumer.service, fresh)
        free, queued = split_held(fresh, held)
        dead_letters.queue_behind(connection, self._consumer.service, queued)
        self._consumer.tell_parked(connection, queued, "it waits behind an earlier message of its key")
        if free:
            self._consumer.handle(connection, free)
        log.info("batch handled", new=len(fresh), queued=len(queued), events=[str(d.event_id) for d in fresh])
        return {**became, Outcome.HANDLED: free, Outcome.QUEUED: queued}

    def _claim(self, connection: Connection, deliveries: Sequence[Delivery]) -> tuple[list[Delivery], Became]:
        """The deliveries that are new, and what the others are; those whose id says nothing are parked."""
        judged: list[Delivery] = []
        strays: list[Delivery] = []
        for delivery in deliveries:
            if problem := self._problem(connection, delivery):
                dead_letters.park_stray(connection, self._consumer.service, delivery, problem)
                strays.append(delivery)
            else:
                judged.append(delivery)
        fresh = inbox.claim(connection, self._consumer.service, judged) if judged else []
        new = {id(each) for each in fresh}
        repeated = [each for each in judged if id(each) not in new]
        return fresh, {Outcome.STRAY: strays, Outcome.DUPLICATE: repeated}

    def _problem(self, connection: Connection, delivery: Delivery) -> str | None:
        if delivery.event_id is None:
            return "the record carries no event id"
        return self._window.problem(connection, delivery.event_id)

    def _find_culprit(self, deliveries: Sequence[Delivery], error: Exception) -> None:
        if len(deliveries) > 1:
            for part in halves(deliveries):
                self.process(part)
            return
        self._park(deliveries[0], error)

    def _park(self, delivery: Delivery, error: Exception) -> None:
        """The message's inbox row and its dead letter, in one transaction."""
        began, reason = time.time_ns(), redaction.explain(error)
        with self._engine.begin() as connection:
            culprits, became = self._claim(connection, [delivery])
            for culprit in culprits:
                dead_letters.park_culprit(connection, self._consumer.service, culprit, reason)
                self._consumer.tell_parked(connection, [culprit], reason)
        count_messages(self.service, {**became, Outcome.PARKED: culprits})
        log.error(
            "message parked",
            order_id=delivery.key,
            event_id=str(delivery.event_id),
            trace_id=trace.of_ours(delivery.traceparent),
            type=delivery.type,
            topic=delivery.topic,
            partition=delivery.partition,
            offset=delivery.offset,
            reason=reason,
            exc_info=error,
        )
        tell_handled(self.service, culprits, began, error=reason)
