"""Which orders get their stock: pure, decided under the locks of the skus involved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from contracts.messages import Item, ReserveStock
from inventory.models import Movement


@dataclass(frozen=True, slots=True)
class Decision:
    """All of an order's items, or none and the reason why."""

    order_id: UUID
    items: tuple[Item, ...]
    refused: str | None


@dataclass(frozen=True, slots=True)
class Move:
    """A change of one sku's stock on behalf of one order."""

    order_id: UUID | None
    sku: str
    movement: Movement
    on_hand: int = 0
    reserved: int = 0
    sold: int = 0


def allocate(free: Mapping[str, int], orders: Iterable[ReserveStock]) -> list[Decision]:
    """First come, first served: each order takes all it asks for from what the ones before it left."""
    left = dict(free)
    decisions = []
    for order in orders:
        refused = _lacking(left, order.items)
        if refused is None:
            for item in order.items:
                left[item.sku] -= item.quantity
        decisions.append(Decision(order.order_id, order.items, refused))
    return decisions


def reserve(order_id: UUID, items: Iterable[Item]) -> list[Move]:
    return [Move(order_id, i.sku, Movement.RESERVE, -i.quantity, i.quantity) for i in items]


def release(order_id: UUID, items: Iterable[Item]) -> list[Move]:
    return [Move(order_id, i.sku, Movement.RELEASE, i.quantity, -i.quantity) for i in items]


def sell(order_id: UUID, items: Iterable[Item]) -> list[Move]:
    return [Move(order_id, i.sku, Movement.SELL, 0, -i.quantity, i.quantity) for i in items]


def sum_by_sku(moves: Iterable[Move]) -> dict[str, tuple[int, int, int]]:
    """{sku: (on_hand, reserved, sold)}: one row per sku, as an UPDATE … FROM changes a row once only."""
    sums: dict[str, tuple[int, int, int]] = {}
    for move in moves:
        on_hand, reserved, sold = sums.get(move.sku, (0, 0, 0))
        sums[move.sku] = (on_hand + move.on_hand, reserved + move.reserved, sold + move.sold)
    return sums


def _lacking(left: Mapping[str, int], items: Iterable[Item]) -> str | None:
    for item in items:
        if left.get(item.sku, 0) < item.quantity:
            return f"{item.sku}: {item.quantity} wanted, {left.get(item.sku, 0)} left"
    return None
