"""Stock: reservations, the ledger and what completed orders hold, unit for unit (S12). Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping

from chaos.checker_sagas import FINAL
from chaos.evidence import Evidence
from chaos.rows import Items
from chaos.verdict import Result, result

# What a movement of n units does to (on hand, reserved, sold).
_SHAPES: Mapping[str, tuple[int, int, int]] = {
    "reserve": (-1, 1, 0),
    "release": (1, -1, 0),
    "sell": (0, -1, 1),
    "restock": (1, 0, 0),
}
# Which movements a reservation has behind it.
_BEHIND: Mapping[str, tuple[str, ...]] = {
    "RESERVED": ("reserve",),
    "RELEASED": ("reserve", "release"),
    "SOLD": ("reserve", "sell"),
    "REJECTED": (),
}


def s12_stock(evidence: Evidence) -> Result:
    return result(
        "S12 stock",
        "Units are neither made nor lost and never fewer than none, the ledger adds up, what is sold is what"
        " completed orders hold, and nothing is kept for an order that has ended.",
        len(evidence.stock_moves),
        (
            *_stock_apart(evidence),
            *_misshapen(evidence),
            *_apart_from_ledger(evidence),
            *_below_zero(evidence),
            *_wrongly_kept(evidence),
            *_sold_apart(evidence),
        ),
    )


def _stock_apart(evidence: Evidence) -> Iterator[str]:
    sums: dict[str, tuple[int, int, int]] = {}
    for move in evidence.stock_moves:
        on_hand, reserved, sold = sums.get(move.sku, (0, 0, 0))
        sums[move.sku] = on_hand + move.on_hand, reserved + move.reserved, sold + move.sold
    stock = {row.sku: row[1:] for row in evidence.stock}
    nothing = (0, 0, 0)
    for sku in sorted(stock.keys() | sums.keys()):
        if stock.get(sku, nothing) != sums.get(sku, nothing):
            yield f"{sku} is {stock.get(sku)}, its ledger has {sums.get(sku)} (on hand, reserved, sold)"


def _below_zero(evidence: Evidence) -> Iterator[str]:
    """At no moment: a sku's movements stand in the order in which they happened."""
    now: dict[str, tuple[int, int, int]] = {}
    for move in sorted(evidence.stock_moves, key=lambda each: each.number):
        on_hand, reserved, sold = now.get(move.sku, (0, 0, 0))
        now[move.sku] = on_hand + move.on_hand, reserved + move.reserved, sold + move.sold
        if min(now[move.sku]) < 0:
            yield f"{move.sku} was {now[move.sku]} after movement {move.number} (on hand, reserved, sold)"


def _misshapen(evidence: Evidence) -> Iterator[str]:
    """What a movement is called is what it did, so none makes units or loses them."""
    for move in evidence.stock_moves:
        shape, units = _SHAPES.get(move.movement, ()), max(move.on_hand, move.reserved, move.sold)
        if (move.on_hand, move.reserved, move.sold) != tuple(units * each for each in shape):
            yield f"movement {move.number} of {move.sku} is no {move.movement}"


def _apart_from_ledger(evidence: Evidence) -> Iterator[str]:
    """Each order's movements are those that its reservation has behind it, of just its items."""
    behind: dict[str, dict[str, list[tuple[str, int]]]] = {}
    for move in evidence.stock_moves:
        if move.order_id is not None:
            units = max(move.on_hand, move.reserved, move.sold)
            behind.setdefault(move.order_id, {}).setdefault(move.movement, []).append((move.sku, units))
    reservations = {kept.order_id: kept for kept in evidence.reservations}
    for order_id in sorted(behind.keys() | reservations.keys()):
        kept = reservations.get(order_id)
        wanted: dict[str, Items] = dict.fromkeys(_BEHIND.get(kept.status, ()), kept.items) if kept else {}
        found = {movement: tuple(sorted(units)) for movement, units in behind.get(order_id, {}).items()}
        if found != wanted:
            yield f"{order_id} is {kept and kept.status} and its movements are {', '.join(found) or 'none'}"


def _wrongly_kept(evidence: Evidence) -> Iterator[str]:
    """Reserved units belong to orders that are under way; a finished one has sold them, or none."""
    orders = {order.id: order.status for order in evidence.orders}
    for kept in evidence.reservations:
        status = orders.get(kept.order_id)
        held = kept.status in {"RESERVED", "SOLD"}
        if (status == "COMPLETED" and kept.status != "SOLD") or (status in FINAL - {"COMPLETED"} and held):
            yield f"{kept.order_id} is {status}, its reservation {kept.status}"
    held_units = Counter[str]()
    for kept in evidence.reservations:
        held_units.update(dict(kept.items) if kept.status == "RESERVED" else {})
    for row in evidence.stock:
        if row.reserved != held_units[row.sku]:
            yield f"{row.reserved} {row.sku} are reserved, reservations hold {held_units[row.sku]}"


def _sold_apart(evidence: Evidence) -> Iterator[str]:
    sold = Counter[str]()
    for order in evidence.orders:
        sold.update(dict(order.items) if order.status == "COMPLETED" else {})
    for row in evidence.stock:
        if row.sold != sold[row.sku]:
            yield f"{row.sold} {row.sku} are sold, completed orders hold {sold[row.sku]}"
