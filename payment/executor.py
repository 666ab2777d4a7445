"""The payment executor: makes the calls that intents ask for, and stores what came of them.

`python -m payment.executor`. Any number may run: an intent is claimed by lease, and the first result
to be stored is the only one. A call that may have happened before is asked for before it is made.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from sqlalchemy import Engine, Row
from sqlalchemy.exc import DBAPIError

from contracts.messages import Money
from messaging.errors import is_messages_own
from payment import handlers, metrics, queries
from payment.gateway import ANSWER_SECONDS, CONNECT_SECONDS, Gateway, HttpGateway, Outcome, OutcomeUnknown
from payment.handlers import Result, Unanswered
from payment.local_gateway import LocalGateway
from payment.models import Operation
from payment.simulated_cards import Cards
from payment.simulated_ledger import Ledger
from runtime import redaction, spans, trace
from runtime.database import connect_engine, conninfo, database_url
from runtime.environment import Environment, instance_name
from runtime.health import serve_health
from runtime.logs import configure
from runtime.lookback import LookBack
from runtime.spans import Ended, Kind
from runtime.stopping import stop_requested
from runtime.waiting import Backoff

log = structlog.get_logger(__name__)

CALLS_AT_ONCE = 64
LOCAL = "sqlite:"  # before the path of a ledger: the gateway is in this process
STORE_SECONDS = 16.0  # how long it may take until an answer is stored
SWEEP_SECONDS = 1.0  # how long an intent whose wake-up was lost may wait
WHOLE_LOOK_SECONDS = 5.0  # and one that could not be had when it was due, as a refund before its charge
# Money whose fate is not known is never given up: it is asked for ever more slowly, and shows as UNKNOWN.
_ASK_AGAIN = Backoff(first_seconds=0.5, most_seconds=300.0)
_DATABASE = Backoff(attempts=12, first_seconds=0.1, most_seconds=5.0)


def lease_seconds(answer_seconds: float = ANSWER_SECONDS) -> float:
    """How long an intent is one executor's: a question and a call, with their time-outs, and the storing."""
    return 2 * (CONNECT_SECONDS + answer_seconds) + STORE_SECONDS


def call(gateway: Gateway, intent: Row[Any]) -> Result:
    """Make an intent's call, in a span of its trace. Raises OutcomeUnknown, and may block for seconds."""
    operation, traceparent, began = (
        Operation(intent.operation),
        trace.follow(intent.traceparent),
        time.time_ns(),
    )
    try:
        with metrics.IN_FLIGHT.track_inprogress(), metrics.CALL_SECONDS.labels(operation).time():
            earlier = gateway.find(str(intent.id)) if intent.attempts > 1 else None
            outcome = earlier or _make(gateway, intent, operation)
    except OutcomeUnknown as error:
        spans.tell(_ended(intent, traceparent, began, str(error)))
        raise
    spans.tell(_ended(intent, traceparent, began))
    return Result(intent.id, intent.order_id, operation, outcome, traceparent)


def _ended(intent: Row[Any], traceparent: str, began: int, error: str | None = None) -> Ended:
    told = {"order_id": str(intent.order_id), "intent_id": str(intent.id), "attempts": intent.attempts}
    parent, name = trace.parent(traceparent, intent.traceparent), f"gateway {intent.operation}"
    return Ended(traceparent, parent, name, Kind.CLIENT, began, time.time_ns(), told, error)


def _make(gateway: Gateway, intent: Row[Any], operation: Operation) -> Outcome:
    key = str(intent.id)
    if operation is Operation.CHARGE:
        money = Money(amount=intent.amount, currency=intent.currency)
        return gateway.charge(key, money, intent.payment_token)
    if intent.captured == 0:
        return Outcome(reference="nothing to refund")
    money = Money(amount=intent.captured, currency=intent.currency)
    return gateway.refund(key, money, str(intent.charge_id))


@dataclass
class Executor:
    """Claims, calls and stores, until it is asked to stop; the calls run in threads."""

    engine: Engine
    gateway: Gateway
    name: str
    stop: threading.Event
    lease_seconds: float = field(default_factory=lease_seconds)
    wake: threading.Event = field(default_factory=threading.Event)
    _calls: dict[Future[Result], Row[Any]] = field(default_factory=dict)
    _look_back: LookBack = field(default_factory=lambda: LookBack(WHOLE_LOOK_SECONDS))
    _turned_at: float = field(default_factory=time.monotonic)

    def problems(self) -> dict[str, str]:
        """Why this executor is not ready; empty when it is."""
        silent = time.monotonic() - self._turned_at
        return {"database": f"no turn was finished for {silent:.0f} s"} if silent > 30 else {}

    def run(self) -> None:
        """Return when stopped and the calls in flight are stored."""
        with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="gateway") as threads:
            while not self.stop.is_set() or self._calls:
                self.wake.clear()
                busy = self._turn(threads)
                self._turned_at = time.monotonic()
                if not busy:
                    self.wake.wait(SWEEP_SECONDS)

    def _turn(self, threads: ThreadPoolExecutor) -> bool:
        """Store what is done, start what is due; whether there was anything."""
        for pause in _DATABASE:
            try:
                return self._store() | self._start(threads)
            except DBAPIError as error:
                log.warning("the database did not answer", reason=redaction.explain(error))
            self.stop.wait(pause)
        return self._store() | self._start(threads)

    def _start(self, threads: ThreadPoolExecutor) -> bool:
        room = 0 if self.stop.is_set() else CALLS_AT_ONCE - len(self._calls)
        intents = self._claim(room) if room else []
        for intent in intents:
            future = threads.submit(call, self.gateway, intent)
            self._calls[future] = intent
            future.add_done_callback(lambda _done: self.wake.set())
        return bool(intents)

    def _claim(self, room: int) -> Sequence[Row[Any]]:
        wanted = {"limit": room, "executor": self.name, "lease_seconds": self.lease_seconds}
        with self.engine.begin() as connection:
            back = {"back_seconds": self._look_back.begin()}
            intents = connection.execute(queries.CLAIM_INTENTS, wanted | back).all()
        self._look_back.end(min(each.late_seconds for each in intents) if len(intents) == room else 0.0)
        return intents

    def _store(self) -> bool:
        """Store every call that came back; it is forgotten only after that."""
        done = [future for future in self._calls if future.done()]
        if done:
            self._store_calls([self._outcome(future) for future in done])
        for future in done:
            metrics.CALLS.labels(self._calls.pop(future).operation, metrics.outcome(future)).inc()
        return bool(done)

    def _store_calls(self, calls: Sequence[Result | Unanswered]) -> None:
        """All in one transaction; where one of them cannot be stored, it does not hold up the others."""
        try:
            with self.engine.begin() as connection:
                handlers.lock_calls(connection, calls)
                handlers.store_results(connection, [each for each in calls if isinstance(each, Result)])
                unanswered = [each for each in calls if isinstance(each, Unanswered)]
                handlers.postpone(connection, self.name, unanswered)
        except DBAPIError as error:
            if not is_messages_own(error):
                raise
            if len(calls) > 1:
                for each in calls:
                    self._store_calls([each])
            elif isinstance(calls[0], Result):
                ids = {"order_id": str(calls[0].order_id), "intent_id": str(calls[0].intent_id)}
                trace_id = trace.trace_id(calls[0].traceparent)
                log.exception("a result cannot be stored", trace_id=trace_id, **ids)
                seconds = _ASK_AGAIN.most_seconds
                self._store_calls([Unanswered(calls[0].intent_id, calls[0].order_id, seconds)])

    def _outcome(self, call_made: Future[Result]) -> Result | Unanswered:
        """What came of a call; whatever it failed with, the intent stays."""
        error = call_made.exception()
        if error is None:
            return call_made.result()
        intent = self._calls[call_made]
        seconds = _ASK_AGAIN.pause(intent.attempts)
        tell = log.warning if isinstance(error, OutcomeUnknown) else log.error
        tell(
            "the gateway's answer is not known",
            order_id=str(intent.order_id),
            intent_id=str(intent.id),
            trace_id=trace.trace_id(intent.traceparent),
            operation=intent.operation,
            attempts=intent.attempts,
            asked_again_in_seconds=round(seconds, 1),
            reason=redaction.explain(error),
        )
        return Unanswered(intent.id, intent.order_id, seconds)


def listen(url: str, wake: threading.Event, stop: threading.Event) -> None:
    """Set `wake` whenever intents were committed. A lost connection costs only latency: sweeps go on."""
    while not stop.is_set():
        try:
            with psycopg.connect(
                url, autocommit=True, application_name="payment-executor listen"
            ) as listener:
                listener.execute("LISTEN payment_intents")
                while not stop.is_set():
                    for _ in listener.notifies(timeout=1.0, stop_after=1):
                        wake.set()
        except psycopg.OperationalError as error:
            log.warning("wake-ups are lost for now", reason=redaction.explain(error))
            stop.wait(1.0)


def gateway_at(url: str, answer_seconds: float, failure_rate: float, stop: threading.Event) -> Gateway:
    """The adapter for a URL: `sqlite:PATH` is a gateway in this process, and any other speaks HTTP.

    A share `failure_rate` (0 to 1) of good charges is declined in this process; elsewhere that is not ours.
    """
    if url.startswith(LOCAL):
        return LocalGateway(Cards(Ledger(url.removeprefix(LOCAL)), failure_rate), stop)
    return HttpGateway(url, CALLS_AT_ONCE, answer_seconds)


def main() -> None:
    environment = Environment()
    url = database_url(environment)
    gateway_url = environment.url("GATEWAY_URL", "http://", "https://", LOCAL)
    failure_rate = environment.rate("PAYMENT_FAILURE_RATE")
    answer_seconds = environment.whole("GATEWAY_TIMEOUT_SECONDS", int(ANSWER_SECONDS), low=1)
    health_bind = environment.bind("HEALTH_BIND")
    environment.check()
    configure("payment-executor")
    spans.switch_on("payment-executor")
    stop = stop_requested()
    engine = connect_engine(url, process="payment-executor", connections=2)
    name = instance_name("payment-executor")
    gateway = gateway_at(gateway_url, answer_seconds, failure_rate, stop)
    executor = Executor(engine, gateway, name, stop, lease_seconds(answer_seconds))
    threading.Thread(target=listen, args=(conninfo(url), executor.wake, stop), daemon=True).start()
    health = serve_health(health_bind, executor.problems)
    if isinstance(gateway, LocalGateway):
        log.warning("the gateway is a simulated one: nobody is charged")
    log.info("executor started", executor=name)
    executor.run()
    health.shutdown()
    log.info("executor stopped")


if __name__ == "__main__":
    main()
