"""The way of an order is total: every awaited step has a good and a bad answer, and it always ends."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import (
    Item,
    Message,
    Money,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    StockRejected,
    StockReleased,
    StockReserved,
)
from order.saga import WAY, Awaited, OrderState, Status, advance

ORDER = UUID(int=1)
TOTAL = Money(amount=5, currency="EUR")
FINAL = {Status.COMPLETED, Status.FAILED, Status.OUT_OF_STOCK, Status.CANCELLED}
REPLIES: list[Message] = [
    PaymentCaptured(order_id=ORDER, total=TOTAL),
    PaymentDeclined(order_id=ORDER, reason="no"),
    PaymentRefunded(order_id=ORDER, total=TOTAL),
    StockReserved(order_id=ORDER),
    StockRejected(order_id=ORDER, reason="none"),
    StockReleased(order_id=ORDER),
]


def an_order(status=Status.PENDING, awaits=Awaited.CHARGE) -> OrderState:
    return OrderState(ORDER, status, awaits, (Item(sku="PIZZA", quantity=1),), TOTAL)


@given(st.lists(st.sampled_from(REPLIES), max_size=30))
def test_whatever_replies_come_an_order_moves_forward_and_stays_where_it_ended(replies):
    ranks = {Status.PENDING: 0, Status.PAID: 1, **dict.fromkeys(FINAL, 2)}
    order = an_order()

    for reply in replies:
        move = advance(order, reply)
        if order.awaits is None:
            assert move is None
        if move is not None:
            assert ranks[move.status] >= ranks[order.status]
            assert (move.awaits is None) == (move.status in FINAL)
            assert move.message.order_id == ORDER
            order = an_order(move.status, move.awaits)


def test_every_awaited_step_can_be_answered():
    assert {awaited for awaited, _ in WAY} == set(Awaited)


def test_every_step_leads_to_an_end():
    def ends(awaits: Awaited | None, depth: int = 0) -> bool:
        assert depth <= len(Awaited)
        return awaits is None or all(
            ends(step.awaits, depth + 1) for (from_, _), step in WAY.items() if from_ is awaits
        )

    assert ends(Awaited.CHARGE)
