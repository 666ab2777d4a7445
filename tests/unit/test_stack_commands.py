"""The command line as programs use it, and what a demonstration tells on a terminal and off one."""

import io
from functools import partial

import pytest
from rich.console import Console

from stack.cli import cli
from stack.demo import Case, Journey, lines
from stack.event_trace import Hop
from stack.live import in_place, seldom

READS = (
    ("status",),
    ("doctor",),
    ("audit",),
    ("connect", "status"),
    ("connect", "doctor"),
    ("sagas", "list"),
    ("sagas", "show"),
    ("dead-letters", "list"),
    ("dead-letters", "show"),
    ("demo",),
)


def command(path):
    found = cli
    for name in path:
        found = found.commands[name]
    return found


@pytest.mark.parametrize("path", READS, ids=" ".join)
def test_whatever_only_reads_can_be_read_by_a_program(path):
    assert "--json" in {option for each in command(path).params for option in each.opts}


def a_journey() -> Journey:
    hops = [
        Hop("payment.charge.v1", "order", 0, "a1", "payment", 308),
        Hop("inventory.reserve.v1", "order", 0, "a1", "inventory"),
        Hop("order.created.v1", "order", 0, "a1"),
    ]
    return Journey(Case("a pizza"), "one", 0.0, [("PENDING", 25)], hops=hops)


def test_an_order_under_way_shows_what_was_not_received_yet():
    assert lines(a_journey(), "…") == [
        "… a pizza  (one)",
        "    PENDING 25 ms",
        "    trace a1",
        "        0 ms  order      payment.charge.v1     → payment after 308 ms",
        "        0 ms  order      inventory.reserve.v1  → inventory, not yet",
        "        0 ms  order      order.created.v1      → everybody",
    ]


def test_off_a_terminal_nothing_is_shown_in_place_and_nothing_is_looked_up():
    written, asked = io.StringIO(), []

    with in_place(Console(file=written), lambda: asked.append(1) or ["a line"]) as refresh:
        refresh()

    assert (written.getvalue(), asked) == ("", [])


def test_on_a_terminal_what_is_shown_in_place_is_gone_at_the_end():
    written = io.StringIO()

    with in_place(Console(file=written, force_terminal=True, width=80), lambda: ["under way"]) as refresh:
        refresh()
        shown = written.getvalue()

    one_line_up, erase = "\x1b[1A", "\x1b[2K"
    assert "under way" in shown
    assert written.getvalue().endswith(one_line_up + erase)


def test_an_action_that_is_to_be_seldom_waits_for_its_time_and_no_longer():
    done = []
    hourly, always = (seldom(partial(done.append, each), each) for each in (3600.0, 0.0))

    for act in (hourly, hourly, always, always):
        act()

    assert done == [3600.0, 0.0, 0.0]
