"""The bugs that are seeded into a process, each a function that breaks what the process is about to import.

What has no number of its own happens now and then, as bugs do: every so many calls.
"""

import itertools
import os
import uuid
from dataclasses import replace

from sqlalchemy import text

from contracts.messages import OrderCreated, OrderFailed
from inventory import allocation
from inventory import queries as inventory_queries
from inventory.models import Movement
from messaging import dead_letters, inbox, outbox, polling
from messaging import sql as messaging_sql
from messaging.errors import MessageFault
from order import queries as order_queries
from payment.gateway import HttpGateway, Outcome
from web import idempotency


def every(number):
    """A function that says yes to every so many-th call, and no to the first."""
    calls = itertools.count(1)
    return lambda: next(calls) % number == 0


def another_key():
    """One that nobody knows."""
    return str(uuid.uuid4())


def change(module, name, make):
    """Replace an attribute by what `make` makes of it."""
    setattr(module, name, make(getattr(module, name)))


def reword(module, name, old, new):
    """Replace words of a statement, which must be there."""

    def make(statement):
        assert old in statement.text, f"{name} has no {old!r}"
        return text(statement.text.replace(old, new))

    change(module, name, make)


def nothing():
    """The control: a process that is launched as the others are, with no bug."""


# ── a service says what it has not done, or does what it does not say


def event_is_forgotten():
    """The business row is committed, and now and then an event of it is not written."""
    forgets = every(5)

    def make(write):
        def forgetful(connection, service, messages, spans):
            if not messages or not forgets():
                return write(connection, service, messages, spans)
            return [*write(connection, service, messages[:-1], spans), uuid.uuid4()]

        return forgetful

    change(outbox, "write", make)


def event_outlives_its_order():
    """Events are written in a transaction of their own, and now and then the order's is rolled back."""
    fails = every(6)

    def make(write):
        def early(connection, service, *what):
            with connection.engine.begin() as other:
                ids = write(other, service, *what)
            if fails():
                raise RuntimeError("too late to take the event back")
            return ids

        return early

    change(outbox, "write", make)


def answered_before_commit():
    """A customer is told that an order is placed, and it is rolled back."""
    fails = every(7)

    def make(answer_group):
        def hasty(engine, asked, act):
            if not fails():
                return answer_group(engine, asked, act)
            with engine.connect() as connection:
                return act(connection, asked)  # What nobody commits is rolled back.

        return hasty

    change(idempotency, "answer_group", make)


def fewer_than_ordered():
    """Of everything one."""
    from order import handlers  # noqa: PLC0415 - what it imports must not be imported by other processes

    def make(price):
        def stingy(catalogue, basket):
            priced = price(catalogue, basket)
            items = tuple(item.model_copy(update={"quantity": 1}) for item in priced.items)
            return replace(priced, items=items)

        return stingy

    change(handlers, "_price", make)


def order_does_not_follow():
    """A saga ends because the card was declined, and its order stays as it was."""
    reword(
        order_queries,
        "MOVE_ORDERS",
        "WHERE orders.id = moved.id",
        "WHERE orders.id = moved.id AND moved.status <> 'FAILED'",
    )


# ── keys of requests


def key_is_ignored():
    change(idempotency, "read_attempt", lambda _read: lambda _wanted: None)


def another_body_is_taken():
    """A key that comes with another body is answered as if it were the first."""
    change(idempotency, "fingerprint", lambda _print: lambda _path, _wanted: bytes(32))


# ── what a customer sees


def status_goes_back():
    from order import api  # noqa: PLC0415 - what it imports must not be imported by other processes

    lags = every(3)
    change(
        api,
        "view",
        lambda view: lambda order: {**view(order), "status": "PENDING"} if lags() else view(order),
    )


def anothers_order_is_shown():
    """Every so often the answer before is given once more."""
    from order import api  # noqa: PLC0415 - as above

    mixes, last = every(4), []

    def make(read):
        def mixed(engine, order_id):
            last.append(read(engine, order_id))
            return last[-2] if mixes() else last[-1]

        return mixed

    change(api, "read_order", make)


# ── consumers


def offsets_before_processing():
    """A worker commits its offsets, and ends before it has handled the batch."""
    dies = every(8)

    def make(process):
        def hasty(self, deliveries):
            if dies():
                os._exit(9)
            return process(self, deliveries)

        return hasty

    def work(self, records):
        self._pass(records)
        self._bookmark()
        self._process([polling.delivery(r) for p, batch in records.items() for r in batch if counts(self, p)])

    def counts(self, partition):
        return partition.topic not in self._watches

    change(polling.MessageWorker, "_process", make)
    change(polling.MessageWorker, "_work", lambda _work: work)


def inbox_is_not_written():
    """Every delivery counts as new, and nothing remembers it."""

    def claim(_connection, _consumer, deliveries):
        return list(deliveries)

    change(inbox, "claim", lambda _claim: claim)


def letter_is_dropped():
    """What cannot be handled is forgotten instead of parked."""
    _fault_of_some()
    change(dead_letters, "park_culprit", lambda _park: lambda *_what: None)


def _fault_of_some():
    """An eighth of all reservations cannot be handled."""
    from inventory import handlers  # noqa: PLC0415 - as above

    def make(reserve):
        def faulty(connection, orders, *rest):
            if bad := [str(each.order_id) for each in orders if str(each.order_id)[-1] in "37"]:
                raise MessageFault(f"it cannot be handled: {bad}")
            return reserve(connection, orders, *rest)

        return faulty

    change(handlers, "_decide", make)


# ── money


def charged_twice():
    """The gateway is asked twice, under two keys."""

    def make(charge):
        def greedy(self, key, money, token):
            charge(self, another_key(), money, token)
            return charge(self, key, money, token)

        return greedy

    change(HttpGateway, "charge", make)


def charged_too_much():
    """A cent more than the order's total."""

    def make(charge):
        def generous(self, key, money, token):
            return charge(self, key, money.model_copy(update={"amount": money.amount + 1}), token)

        return generous

    change(HttpGateway, "charge", make)


def refund_is_kept():
    """The customer is told of a refund that the gateway never heard of."""
    change(HttpGateway, "refund", lambda _refund: lambda _self, _key, _money, _charge: Outcome("never made"))


def refunded_twice():
    """Under two keys; the gateway declines the second, and nobody says so."""

    def make(refund):
        def generous(self, key, money, charge):
            done = refund(self, key, money, charge)
            refund(self, another_key(), money, charge)
            return done

        return generous

    change(HttpGateway, "refund", make)


# ── stock


def stock_is_not_counted():
    """Every order gets what it asks for."""
    change(
        allocation,
        "allocate",
        lambda allocate: lambda free, orders: allocate(dict.fromkeys(free, 10**6), orders),
    )


def release_keeps_the_stock():
    """A reservation is ended and its units are neither free nor reserved nor sold."""
    change(
        allocation,
        "release",
        lambda release: (
            lambda order_id, items: [replace(move, on_hand=0) for move in release(order_id, items)]
        ),
    )


def sale_is_not_in_the_ledger():
    change(inventory_queries, "WRITE_LEDGER", lambda statement: text(_no_sales(statement.text)))


def _no_sales(statement):
    return f"{statement} AS row (o, s, movement, h, r, n) WHERE movement <> '{Movement.SELL}'"


# ── the outbox's columns


def sequence_stands_still():
    """Every transaction counts from one."""
    reword(messaging_sql, "WRITE_OUTBOX", "counter.last + excluded.last", "excluded.last")


def sequence_skips():
    """Every event but an order's first two takes a number too many."""
    reword(messaging_sql, "WRITE_OUTBOX", "counter.last + excluded.last", "counter.last + excluded.last + 1")


def told_in_another_topic():
    """Where nobody reads it either."""
    OrderFailed.topic = OrderCreated.topic


def payload_is_of_another():
    """An event's total is not its order's."""
    from order import handlers  # noqa: PLC0415 - as above

    def make(charge):
        def cheap(order, epoch):
            command = charge(order, epoch)
            return command.model_copy(update=_cheaper({"total": command.total}))

        return cheap

    change(handlers, "_charge", make)


def total_is_of_another():
    """The same of an event that no service reads."""
    from order import handlers  # noqa: PLC0415 - as above

    change(handlers, "OrderCreated", lambda created: lambda **fields: created(**_cheaper(fields)))


def _cheaper(fields):
    total = fields["total"]
    return {**fields, "total": total.model_copy(update={"amount": max(total.amount - 1, 0)})}
