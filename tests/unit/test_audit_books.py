"""What each ended order should have left behind: every wrong book is told, and no good one."""

from dataclasses import replace

import pytest

from audit.books import Account, StockBooks, problem, stock_problems

PIZZA = {"PIZZA": 2}
COMPLETED = Account(
    status="COMPLETED", total=2500, ordered=PIZZA, paid=2500, charges=1, moved=2500, sold=PIZZA, most_moves=1
)
REFUNDED = Account(status="CANCELLED", total=2500, ordered=PIZZA, charges=1, refunds=1, most_moves=1)
DECLINED = Account(status="FAILED", total=2500, ordered=PIZZA)


@pytest.mark.parametrize(
    "account",
    [COMPLETED, REFUNDED, DECLINED, replace(COMPLETED, total=0, paid=0, moved=0, charges=0)],
)
def test_good_books_are_good(account):
    assert problem(account) is None


@pytest.mark.parametrize(
    ("account", "changes", "told"),
    [
        (COMPLETED, {"charges": 2}, "twice"),
        (REFUNDED, {"refunds": 2}, "twice"),
        (COMPLETED, {"most_moves": 2}, "twice"),
        (COMPLETED, {"paid": 0, "moved": 0}, "0 is kept"),
        (COMPLETED, {"paid": 2400, "moved": 2400}, "2400 is kept"),
        (COMPLETED, {"moved": 0}, "its ledger 0"),
        (COMPLETED, {"sold": {}}, "sold {}"),
        (COMPLETED, {"sold": {"PIZZA": 1}}, "sold {'PIZZA': 1}"),
        (COMPLETED, {"sold": {"PHONE": 2}}, "sold {'PHONE': 2}"),
        (COMPLETED, {"held": {"PIZZA": 1}}, "still reserved"),
        (REFUNDED, {"paid": 2500, "moved": 2500}, "2500 is kept"),
        (REFUNDED, {"moved": 2500}, "its ledger 2500"),
        (REFUNDED, {"sold": PIZZA}, "sold {'PIZZA': 2}"),
        (REFUNDED, {"held": PIZZA}, "still reserved"),
        (DECLINED, {"paid": 2500, "moved": 2500}, "2500 is kept"),
        (COMPLETED, {"status": "FAILED"}, "2500 is kept"),
    ],
)
def test_a_wrong_book_is_told(account, changes, told):
    assert told in str(problem(replace(account, **changes)))


GOOD_STOCK = StockBooks(
    stock={"PIZZA": (7, 2, 1), "SOLD-OUT": (0, 0, 0)}, ledger={"PIZZA": (7, 2, 1)}, promised={"PIZZA": 2}
)


def test_stock_that_is_its_ledger_is_good():
    assert stock_problems(GOOD_STOCK) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stock": {"PIZZA": (6, 2, 1)}}, ["PIZZA: stock (6, 2, 1), ledger (7, 2, 1)"]),
        ({"stock": {"PIZZA": (7, 2, 0)}}, ["PIZZA: stock (7, 2, 0), ledger (7, 2, 1)"]),
        ({"ledger": {**GOOD_STOCK.ledger, "PHONE": (1, 0, 0)}}, ["PHONE: stock (0, 0, 0), ledger (1, 0, 0)"]),
        ({"promised": {"PIZZA": 3}}, ["PIZZA: 2 reserved, and orders hold 3"]),
        ({"promised": {}}, ["PIZZA: 2 reserved, and orders hold 0"]),
        ({"promised": {"PIZZA": 2, "PHONE": 1}}, ["PHONE: 0 reserved, and orders hold 1"]),
    ],
)
def test_stock_that_does_not_agree_is_told(changes, told):
    assert stock_problems(replace(GOOD_STOCK, **changes)) == told
