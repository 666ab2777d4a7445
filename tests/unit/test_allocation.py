"""Who gets the stock: first come, first served, all or nothing, and no unit twice."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import Item, ReserveStock
from inventory.allocation import allocate, release, reserve, sell, sum_by_sku

skus = st.sampled_from("ABC")
items = st.dictionaries(skus, st.integers(1, 5), min_size=1).map(
    lambda wanted: tuple(Item(sku=sku, quantity=n) for sku, n in wanted.items())
)


@given(st.dictionaries(skus, st.integers(0, 10)), st.lists(items))
def test_no_more_is_given_than_there_is_and_nobody_gets_a_part(free, wanted):
    orders = [ReserveStock(order_id=UUID(int=n), items=each) for n, each in enumerate(wanted)]

    decisions = allocate(free, orders)

    assert [d.order_id for d in decisions] == [o.order_id for o in orders]
    left = dict(free)
    for decision in decisions:
        fits = all(left.get(item.sku, 0) >= item.quantity for item in decision.items)
        assert (decision.refused is None) == fits
        if fits:
            for item in decision.items:
                left[item.sku] -= item.quantity
    assert all(units >= 0 for units in left.values())


@given(items)
def test_what_is_reserved_comes_back_or_is_sold_whole(wanted):
    order = UUID(int=1)

    given_back = sum_by_sku([*reserve(order, wanted), *release(order, wanted)])
    sold = sum_by_sku([*reserve(order, wanted), *sell(order, wanted)])

    assert set(given_back.values()) == {(0, 0, 0)}
    assert sold == {item.sku: (-item.quantity, 0, item.quantity) for item in wanted}
