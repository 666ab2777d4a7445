"""Bad moments, and bugs that show in one only: a process ends between two steps, or something comes late.

The moments hurt nobody by themselves, and the control goes through all of them.
"""

import os
import threading
from dataclasses import replace
from functools import partial

from messaging import inbox, polling
from payment import queries as payment_queries
from payment.gateway import HttpGateway
from payment.simulated_webhooks import WebhookSender
from saga import advance, participant
from saga.deadlines import Deadlines
from saga.definition import Operation
from saga.fence import FenceState, Verdict
from saga.orchestrator import Orchestrator
from saga.state import Progress, SagaStatus
from tests.bugs.seeds import another_key, change, every, reword
from web import idempotency

BATCHES_OF_A_LIFE, ORDERS_OF_A_LIFE = 15, 30
LATE_SECONDS = 1.0


def end():
    """As kill -9 does it."""
    os._exit(9)


# ── moments


def worker_dies():
    """After a batch is committed and before its offsets are, so that it comes again."""
    dies = every(BATCHES_OF_A_LIFE)

    def make(process):
        def last(self, deliveries):
            done = process(self, deliveries)
            if dies():
                end()
            return done

        return last

    change(polling.MessageWorker, "_process", make)


def api_dies():
    """After an order is committed and before it is answered, so that it is asked for again."""
    dies = every(ORDERS_OF_A_LIFE)

    def make(answer_group):
        def last(engine, asked, act):
            outcomes = answer_group(engine, asked, act)
            if dies():
                end()
            return outcomes

        return last

    change(idempotency, "answer_group", make)


def executor_is_away():
    """It takes no intent, so that deadlines pass."""
    reword(payment_queries, "CLAIM_INTENTS", "LIMIT :limit", "LIMIT :limit * 0")


def webhooks_are_lost():
    """So that whoever did not get the gateway's answer has to ask."""
    change(WebhookSender, "tell", lambda _tell: lambda *_what: None)


# ── a process ends between two steps


def everything_is_new():
    """The inbox is written, and nobody listens to what it says."""

    def make(claim):
        def deaf(connection, consumer, deliveries):
            claim(connection, consumer, deliveries)
            return list(deliveries)

        return deaf

    change(inbox, "claim", make)


def inbox_is_committed_first():
    dies = every(BATCHES_OF_A_LIFE)

    def make(claim):
        def early(connection, consumer, deliveries):
            with connection.engine.begin() as other:
                new = claim(other, consumer, deliveries)
            if new and dies():
                end()
            return new

        return early

    change(inbox, "claim", make)


def events_are_written_after_the_order():
    dies, thread = every(ORDERS_OF_A_LIFE), threading.local()

    def make_tell(tell):
        def postponed(self, connection, *what):
            if getattr(thread, "later", None) is None:
                return tell(self, connection, *what)
            return thread.later.append(lambda other: tell(self, other, *what))

        return postponed

    def make_answer(answer_group):
        def split(engine, asked, act):
            thread.later = later = []
            try:
                outcomes = answer_group(engine, asked, act)
            finally:
                thread.later = None
            if later and dies():
                end()
            with engine.begin() as connection:
                for write in later:
                    write(connection)
            return outcomes

        return split

    change(Orchestrator, "_tell", make_tell)
    change(idempotency, "answer_group", make_answer)


def key_is_kept_after_the_order():
    dies = every(ORDERS_OF_A_LIFE)

    def make(answer_group):
        def split(engine, asked, act):
            if not dies():
                return answer_group(engine, asked, act)
            with engine.begin() as connection:
                act(connection, asked)
            return end()

        return split

    change(idempotency, "answer_group", make)


# ── something comes late, or again


def tombstone_is_forgotten():
    """A compensation that comes first leaves nothing behind, and the late action is done."""

    def make_admit(admit):
        def forgetful(fence, command, verdict):
            if verdict is Verdict.NOTHING and fence.state is FenceState.NONE:
                return fence
            return admit(fence, command, verdict)

        return forgetful

    change(participant, "admit", make_admit)
    change(
        participant,
        "bury",
        lambda bury: lambda fence, reply: fence if fence.state is FenceState.NONE else bury(fence, reply),
    )


def late_answer_is_believed():
    """A step that has succeeded takes its saga forward, although it had turned round meanwhile."""

    def make(take):
        def believing(definition, state, answer, now):
            if state.cause and answer.route.good and answer.route.operation is Operation.ACTION:
                step = state.steps[answer.route.step]
                asked = replace(step, progress=Progress.ASKED, epoch=answer.epoch)
                steps = {**state.steps, answer.route.step: asked}
                state = replace(state, status=SagaStatus.RUNNING, cause=None, steps=steps)
            return take(definition, state, answer, now)

        return believing

    change(advance, "take", make)


def aborted_records_are_read():
    change(polling, "KafkaConsumer", lambda consumer: partial(_uncommitted, consumer))


def _uncommitted(consumer, **settings):
    return consumer(**{**settings, "isolation_level": "read_uncommitted"})


def call_is_repeated_under_a_new_key():
    """What timed out is not asked for; it is done once more."""
    tried = set()

    def make(charge):
        def anew(self, key, money, token):
            if key in tried:
                return charge(self, another_key(), money, "tok_ok")
            tried.add(key)
            return charge(self, key, money, token)

        return anew

    change(HttpGateway, "charge", make)
    change(HttpGateway, "find", lambda _find: lambda _self, _key: None)


def stock_answers_come_late():
    """So that orders are cancelled whose stock is reserved already."""

    def make(process):
        def late(self, deliveries):
            if any(each.topic == "stock-reserved" for each in deliveries):
                threading.Event().wait(LATE_SECONDS)
            return process(self, deliveries)

        return late

    change(polling.MessageWorker, "_process", make)


def clock_stands_still():
    change(Deadlines, "turn", lambda _turn: lambda _self: 0)
