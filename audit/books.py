"""Money and stock: what each ended order should have left behind, and what it has.

Compared order by order, once an order has ended and everything told about it was seen by everybody; and
all stock against its ledger, in one snapshot, from sums that only grow.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from audit import books_sql as sql
from audit.sources import HORIZON, Source
from contracts.services import INVENTORY, ORDER, PAYMENT, SERVICES

ORDERS_MAX = 500

Units = dict[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """What the three databases say of one order; money in minor units, stock in units by sku."""

    status: str
    total: int
    ordered: Units
    paid: int = 0
    charges: int = 0
    refunds: int = 0
    moved: int = 0
    reservation: str = ""
    sold: Units = field(default_factory=dict)
    held: Units = field(default_factory=dict)
    most_moves: int = 0


@dataclass(frozen=True, slots=True)
class StockBooks:
    """The stock table, and what its ledger and the reservations make of it, by sku."""

    stock: Mapping[str, tuple[int, int, int]]
    ledger: Mapping[str, tuple[int, int, int]]
    promised: Units


def problem(account: Account) -> str | None:
    """What is wrong with an ended order, in words; None when money and stock are as its status says."""
    if max(account.charges, account.refunds, account.most_moves) > 1:
        return "an effect was had twice"
    is_complete = account.status == "COMPLETED"
    if account.paid != (account.total if is_complete else 0):
        return f"{account.status}, total {account.total}, and {account.paid} is kept of the customer's money"
    if account.moved != account.paid:
        return f"the payment says {account.paid}, its ledger {account.moved}"
    if account.sold != (account.ordered if is_complete else {}):
        return f"{account.status}, ordered {account.ordered}, and sold {account.sold}"
    if account.held:
        return f"{account.status}, and stock is still reserved: {account.held}"
    return None


def stock_problems(books: StockBooks) -> list[str]:
    """Where stock and ledger differ, or more or less is reserved than orders hold."""
    none = (0, 0, 0)
    wrong = [
        f"{sku}: stock {books.stock.get(sku, none)}, ledger {books.ledger.get(sku, none)}"
        for sku in sorted({*books.stock, *books.ledger})
        if books.stock.get(sku, none) != books.ledger.get(sku, none)
    ]
    return wrong + [
        f"{sku}: {books.stock.get(sku, none)[1]} reserved, and orders hold {books.promised.get(sku, 0)}"
        for sku in sorted({*books.stock, *books.promised})
        if books.stock.get(sku, none)[1] != books.promised.get(sku, 0)
    ]


def look(connection: Connection, sources: Mapping[str, Source]) -> list[str]:
    """Settle the orders that agree, suspect those that do not; answers with what is wrong with the stock."""
    ids = list(connection.execute(sql.TO_SETTLE, {"most": ORDERS_MAX}).scalars())
    if ids:
        _settle(connection, sources, ids)
    return stock_problems(_stock_books(connection, sources[INVENTORY.name]))


def behind(connection: Connection) -> list[str]:
    """What a round has left over: with more ended orders than it compares, their books are not read yet."""
    left = connection.execute(sql.NEVER_LOOKED_AT).scalar_one()
    return ["the list of ended orders"] if left else []


def _settle(connection: Connection, sources: Mapping[str, Source], ids: Sequence[str]) -> None:
    waiting, discarded = _letters(sources, ids)
    accounts, by_hand = _accounts(sources, [i for i in ids if i not in waiting])
    problems = {
        i: problem(accounts[i]) if i in accounts else "it is not there"
        for i in ids
        if i not in waiting and i not in by_hand and i not in discarded
    }
    wrong = {i: text for i, text in problems.items() if text}
    connection.execute(sql.SETTLED, {"ids": [i for i in ids if i not in wrong and i not in waiting]})
    told = {**dict.fromkeys(waiting, "a dead letter of it waits"), **wrong}
    connection.execute(sql.SUSPECT, {"ids": list(told), "problems": list(told.values())})


def _letters(sources: Mapping[str, Source], ids: Sequence[str]) -> tuple[set[str], set[str]]:
    """The orders with a letter that waits, and those with one that was discarded."""
    waiting, discarded = set[str](), set[str]()
    for service in SERVICES:
        for row in _rows(sources[service.name], sql.LETTERS, ids, service=service.name):
            (waiting if row.waits else discarded).add(row.key)
    return waiting, discarded


def _accounts(sources: Mapping[str, Source], ids: Sequence[str]) -> tuple[dict[str, Account], set[str]]:
    """What each order left behind, and which of them a person has settled."""
    orders = _rows(sources[ORDER.name], sql.ORDERS, ids)
    payments = {row.order_id: row for row in _rows(sources[PAYMENT.name], sql.PAYMENTS, ids)}
    stock = sources[INVENTORY.name]
    reservations = {row.order_id: row.status for row in _rows(stock, sql.RESERVATIONS, ids)}
    movements = defaultdict(list)
    for row in _rows(stock, sql.MOVEMENTS, ids):
        movements[row.order_id].append(row)
    accounts = {
        row.order_id: _account(
            row, payments.get(row.order_id), reservations.get(row.order_id, ""), movements[row.order_id]
        )
        for row in orders
    }
    return accounts, {row.order_id for row in orders if row.by_hand}


def _account(
    order: Row[Any], payment: Row[Any] | None, reservation: str, movements: Iterable[Row[Any]]
) -> Account:
    moves = list(movements)
    money = {}
    if payment:
        money = {
            "paid": payment.captured - payment.refunded,
            "charges": payment.charges,
            "refunds": payment.refunds,
            "moved": payment.moved,
        }
    return Account(
        status=order.status,
        total=order.total_amount,
        ordered=_units((item["sku"], item["quantity"]) for item in order.items),
        reservation=reservation,
        sold=_units((row.sku, row.sold) for row in moves),
        held=_units((row.sku, row.reserved) for row in moves),
        most_moves=max((row.most_moves for row in moves), default=0),
        **money,
    )


def _units(pairs: Iterable[tuple[str, int]]) -> Units:
    total: Units = defaultdict(int)
    for sku, quantity in pairs:
        total[sku] += quantity
    return {sku: quantity for sku, quantity in sorted(total.items()) if quantity}


def _rows(source: Source, statement: Any, ids: Sequence[str], **values: Any) -> Sequence[Row[Any]]:
    with source.connect() as connection:
        return connection.execute(statement, {"ids": list(ids), **values}).all()


def _stock_books(connection: Connection, source: Source) -> StockBooks:
    """The sums grow by what is final; what is newer counts for this comparison only."""
    mark = connection.execute(sql.LEDGER_MARK, {"service": INVENTORY.name}).scalar() or 0
    with source.connect().execution_options(isolation_level="REPEATABLE READ") as snapshot:
        horizon = snapshot.execute(HORIZON).scalar_one()
        news = snapshot.execute(sql.LEDGER, {"mark": mark, "horizon": horizon}).all()
        stock = {r.sku: (r.on_hand, r.reserved, r.sold) for r in snapshot.execute(sql.STOCK)}
        promised = {row.sku: row.quantity for row in snapshot.execute(sql.PROMISED)}
    for row in (row for row in news if row.is_whole):
        connection.execute(sql.ADD_STOCK, dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's public name
    connection.execute(sql.SET_LEDGER_MARK, {"service": INVENTORY.name, "mark": max(mark, horizon)})
    ledger = {r.sku: (r.on_hand, r.reserved, r.sold) for r in connection.execute(sql.STOCK_SUMS)}
    for row in (row for row in news if not row.is_whole):
        before = ledger.get(row.sku, (0, 0, 0))
        ledger[row.sku] = (before[0] + row.on_hand, before[1] + row.reserved, before[2] + row.sold)
    return StockBooks(stock, ledger, promised)
