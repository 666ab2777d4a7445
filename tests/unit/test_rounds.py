"""Rounds: at most one message per key, every key in order, nothing lost."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from messaging.rounds import halves, rounds, split_held
from tests.builders import a_delivery, refund, reserve

keys = st.lists(st.integers(0, 5).map(lambda n: UUID(int=n)))


@given(keys)
def test_rounds_keep_every_message_once_and_each_keys_order(order_ids):
    messages = [reserve(quantity=n + 1, order_id=i) for n, i in enumerate(order_ids)]

    dealt = rounds(messages)

    for each in dealt:
        assert len({m.key for m in each}) == len(each) > 0
    for key in {m.key for m in messages}:
        assert [m for r in dealt for m in r if m.key == key] == [m for m in messages if m.key == key]
    assert sum(map(len, dealt)) == len(messages)


@given(keys.filter(lambda k: len(k) > 1))
def test_halves_are_shorter_and_make_the_whole(order_ids):
    deliveries = [a_delivery(reserve(order_id=i)) for i in order_ids]

    first, second = halves(deliveries)

    assert [*first, *second] == deliveries
    assert max(len(first), len(second)) < len(deliveries)


def test_a_held_key_queues_but_its_compensation_goes_on():
    held, other = UUID(int=1), UUID(int=2)
    queued = a_delivery(reserve(order_id=held))
    compensation = a_delivery(refund(held))
    free = a_delivery(reserve(order_id=other))

    assert split_held([queued, compensation, free], {str(held)}) == ([compensation, free], [queued])
