"""Bugs seeded into the real product, one after the other: a run of orders, and the checker finds each.

A checker that has never found anything proves nothing by finding nothing. The score stands at the end.
"""

import threading
import time
from dataclasses import dataclass, field, replace

import pytest

from chaos import orders
from chaos.checker import check
from chaos.collect import collect
from chaos.history import History, operations, read
from chaos.rest import at_rest
from chaos.workload import Workload
from contracts.services import ORDER, SERVICES
from stack import audits, launch, prey
from tests.bugs.catalogue import BUGS, CONTROLS, DEADLINES, EXECUTOR
from tests.bugs.hands import REST_SECONDS
from tests.bugs.parent import BuggyWish
from tests.throwaway import thrown_away

pytestmark = pytest.mark.timeout(300)

ORDERS, RATE = 100, 15
LATER_SECONDS_MAX = 2.0
# What a bug leaves open stays so; without one there is patience for a slow machine.
CONTENT_SECONDS = 120
# Relays are not watched over: nothing hits them.
NODES = ("connectors", "auditor", *(s.name for s in SERVICES), *(f"{s.name}-worker" for s in SERVICES))
NODES += (EXECUTOR, DEADLINES)


@dataclass(frozen=True)
class Found:
    """Of each broken invariant an example, as the checker found it and as the auditor did."""

    orders: int
    seconds: float
    broken: dict[str, str] = field(default_factory=dict)
    audited: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def attempt(tmp_path):
    """A function that runs orders on a stack with a bug, and gives what was found."""

    def run(seeded, bug):
        began, history = time.monotonic(), tmp_path / "history.jsonl"
        with launch.temporary("bugs", deadline_seconds=bug.deadline_seconds) as wish:
            buggy = BuggyWish.of(replace(wish, only=NODES), seeded, bug.nodes)
            with thrown_away(buggy) as started:
                layout = prey.layout_of(wish.state, started)
                bug.before(layout)
                accepted = place_orders(layout, history, bug)
                bug.after(layout)
                broken, audited = judged(layout, history, REST_SECONDS if bug.found_by else CONTENT_SECONDS)
        return Found(accepted, time.monotonic() - began, broken, audited)

    return run


def place_orders(layout, path, bug):
    """How many orders were accepted; a bug that lets none in shows nothing."""
    planned = orders.plan(1, ORDERS, RATE, bug.mix)
    planned = [replace(each, fate=soon(each.fate, bug.all_cancelled_after)) for each in planned]
    with History(path) as history:
        load = Workload(layout.url(ORDER.name), history, threading.Event())
        load.start(planned)
        load.join()
    assert load.counts["accepted"] > ORDERS // 2
    return load.counts["accepted"]


def soon(fate, cancel_after):
    """Whatever a customer does later is done within seconds: a hundred orders need no more."""
    later = {name: getattr(fate, name) for name in ("repeat_after", "other_body_after", "cancel_after")}
    hurried = {name: min(seconds, LATER_SECONDS_MAX) for name, seconds in later.items() if seconds}
    return replace(fate, **hurried | ({"cancel_after": cancel_after} if cancel_after else {}))


def judged(layout, path, within_seconds):
    endpoints = prey.endpoints_of(layout)
    evidence = collect(endpoints, at_rest(endpoints, within_seconds))
    results = check(evidence, operations(read(path)))
    with audits.audit_database(layout) as engine:
        audited = audits.fresh_report(engine).get("invariants", ())
    broken = {each.name.split()[0]: each.violations[0] for each in results if each.verdict == "invalid"}
    return broken, {each["name"]: each["problems"][0] for each in audited if each["problems"]}


@pytest.mark.parametrize("moment", CONTROLS)
def test_nothing_is_found_where_no_bug_is(attempt, moment):
    found = attempt(moment if CONTROLS[moment].nodes else "nothing", CONTROLS[moment])

    assert (found.broken, found.audited) == ({}, {})


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_found(attempt, score, name):
    bug = BUGS[name]
    score[name] = None
    score[name] = found = attempt(f"{bug.moment}+{name}" if bug.nodes else "nothing", bug)

    assert found.broken.keys() & bug.found_by, f"found instead: {found}"
