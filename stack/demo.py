"""The demonstration: orders that end each way, followed from outside, then looked at from inside."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import requests
from rich.console import Console

from stack import event_trace
from stack.event_trace import Hop, Reader
from stack.layout import Layout
from stack.live import in_place

FINAL = ("COMPLETED", "FAILED", "OUT_OF_STOCK", "CANCELLED")
ORDERS_SECONDS_MAX = 60
POLL_EVERY_SECONDS = 0.01
REQUEST_SECONDS_MAX = 10
CROWD = 20


@dataclass(frozen=True, slots=True)
class Case:
    """An order, and how it is expected to end (None: by chance)."""

    title: str
    sku: str = "PIZZA"
    token: str | None = None
    expected: str | None = None
    cancelled: bool = False  # by the customer, as soon as it is placed

    def body(self) -> dict[str, Any]:
        items = {"items": [{"sku": self.sku, "quantity": 1}]}
        return items | ({"payment_token": self.token} if self.token else {})


CASES = (
    Case("a pizza", expected="COMPLETED"),
    Case("a pizza, the card is declined", token="tok_declined", expected="FAILED"),  # noqa: S106 - simulated
    Case("a dish that is sold out", sku="SOLD-OUT", expected="OUT_OF_STOCK"),
    Case("a pizza, cancelled at once", expected="CANCELLED", cancelled=True),
)


@dataclass(slots=True)
class Journey:
    """What one order went through: each status, with the milliseconds since the order was placed."""

    case: Case
    order_id: str
    began: float
    path: list[tuple[str, int]] = field(default_factory=list)
    payment: dict[str, Any] | None = None
    stock: dict[str, Any] | None = None
    hops: list[Hop] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.path[-1][0] if self.path else "UNKNOWN"

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def ended_well(self) -> bool:
        return self.is_final and self.case.expected in {None, self.status}

    def arrive(self, status: str) -> None:
        if status != self.status:
            self.path.append((status, round((time.monotonic() - self.began) * 1000)))

    def as_json(self) -> dict[str, Any]:
        path = [{"status": status, "ms": ms} for status, ms in self.path]
        return {
            "title": self.case.title,
            "order_id": self.order_id,
            "status": self.status,
            "expected": self.case.expected,
            "path": path,
            "payment": self.payment,
            "stock": self.stock,
            "hops": [asdict(hop) for hop in self.hops],
        }


class Customer:
    """Places orders, and looks at what becomes of them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._session = requests.Session()
        self._session.trust_env = False  # A proxy has no business on 127.0.0.1.

    def place(self, case: Case) -> Journey:
        began = time.monotonic()
        response = self._session.post(
            f"{self._layout.url('order')}/orders", json=case.body(), timeout=REQUEST_SECONDS_MAX
        )
        response.raise_for_status()
        journey = Journey(case, response.json()["order_id"], began)
        journey.arrive(response.json()["status"])
        if case.cancelled:
            path = f"/orders/{journey.order_id}/cancel"
            self._session.post(self._layout.url("order") + path, timeout=REQUEST_SECONDS_MAX)
        return journey

    def follow(self, journeys: Sequence[Journey], seen: Callable[[], None] = lambda: None) -> None:
        """Look at every order again and again until it is final, or time is up; `seen` after each look."""
        deadline = time.monotonic() + ORDERS_SECONDS_MAX
        pause = threading.Event()
        while time.monotonic() < deadline and (under_way := [each for each in journeys if not each.is_final]):
            for journey in under_way:
                journey.arrive(self._get("order", f"/orders/{journey.order_id}")["status"])
            seen()
            pause.wait(POLL_EVERY_SECONDS)

    def look_behind(self, journey: Journey, read: Reader) -> None:
        """What became of the order's events, money and stock."""
        journey.hops = event_trace.when_arrived(read, journey.order_id)
        journey.payment = self._payment(journey.order_id)
        journey.stock = self._stock(journey.case.sku)

    def _payment(self, order_id: str) -> dict[str, Any] | None:
        payments = self._get("payment", f"/payments?order_id={order_id}")["payments"]
        return payments[0] if payments else None

    def _stock(self, sku: str) -> dict[str, Any] | None:
        stock = self._get("inventory", "/stock")["stock"]
        return next((line for line in stock if line["sku"] == sku), None)

    def _get(self, service: str, path: str) -> dict[str, Any]:
        response = self._session.get(self._layout.url(service) + path, timeout=REQUEST_SECONDS_MAX)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


def show_cases(layout: Layout, console: Console) -> list[Journey]:
    """One order for each way an order can end, one after the other."""
    customer = Customer(layout)
    with event_trace.reader(layout) as read:
        return [_show(customer, case, read, console) for case in CASES]


def _show(customer: Customer, case: Case, read: Reader, console: Console) -> Journey:
    """One order, followed from hop to hop where there is a terminal, and told as a whole at its end."""
    journey = customer.place(case)

    def so_far() -> list[str]:
        journey.hops = read(journey.order_id)
        return lines(journey, "…")

    with in_place(console, so_far) as refresh:
        customer.follow([journey], refresh)
        customer.look_behind(journey, read)
    mark = "✓" if journey.ended_well else f"✗ expected {case.expected}:"
    _print(console, ["", *lines(journey, mark)])
    return journey


def show_crowd(layout: Layout, console: Console) -> list[Journey]:
    """Many orders at once in a system where things fail by chance."""
    customer = Customer(layout)
    journeys = [customer.place(Case(f"order {number}")) for number in range(1, CROWD + 1)]
    with in_place(console, lambda: counts(journeys)) as refresh:
        customer.follow(journeys, refresh)
    _print(console, ["", *counts(journeys)])
    return journeys


def counts(journeys: Sequence[Journey]) -> list[str]:
    """How many orders are where."""
    found = Counter(journey.status for journey in journeys)
    return [f"{count:4} {status}" for status, count in found.most_common()]


def lines(journey: Journey, mark: str) -> list[str]:
    """What is known of an order: how it went on, each hop, and in the end money and stock."""
    path = " → ".join(f"{status} {ms} ms" for status, ms in journey.path)
    told = [f"{mark} {journey.case.title}  ({journey.order_id})", f"    {path}"]
    # Where the customer changes his mind, a second request takes part.
    told += [f"    trace {trace_id}" for trace_id in dict.fromkeys(hop.trace_id for hop in journey.hops)]
    told += [f"    {hop}" for hop in journey.hops]
    if payment := journey.payment:
        money = f"captured {payment['captured']}, refunded {payment['refunded']} {payment['currency']}"
        told.append(f"    payment {payment['status']}, {money}")
    if stock := journey.stock:
        numbers = f"{stock['on_hand']} on hand, {stock['reserved']} reserved, {stock['sold']} sold"
        told.append(f"    stock of {stock['sku']}: {numbers}")
    return told


def _print(console: Console, told: Sequence[str]) -> None:
    for line in told:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
