"""Green, red or grey: one wrong count is one invariant, and what is unsure is never called wrong."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest

from audit.report import as_json
from audit.topics import TEXT_MAX, _arrival
from audit.verdict import Count, Counts, Verdict, decide, invariants, staleness

ONE = Count(1, ["an-id"])
GOOD = {"slots": {"order": "reserved"}, "days_ahead": {"order": 8}}


def red(counts):
    return [each.name for each in invariants(counts) if each.verdict is Verdict.RED]


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"lost": ONE}, "S4"),
        ({"repeated": ONE}, "S5"),
        ({"phantom": ONE}, "S6"),
        ({"reordered": ONE}, "S7"),
        ({"gaps": ONE}, "S7"),
        ({"altered": ONE}, "S8"),
        ({"doubled": ONE}, "S9"),
        ({"skipped": ONE}, "S10"),
        ({"books": ONE}, "S11"),
        ({"stock": ["PIZZA: stock 1, ledger 2"]}, "S12"),
        ({"slots": {"order": "missing"}}, "slots"),
        ({"slots": {"order": "lost"}}, "slots"),
        ({"slots": {"order": "unreserved"}}, "slots"),
        ({"missing_topics": ["order-created"]}, "topics"),
        ({"made_anew": ["order-created"]}, "topics"),
        ({"days_ahead": {"order": 1}}, "partitions"),
    ],
)
def test_each_wrong_count_is_red_by_its_own_invariant(wrong, name):
    counts = Counts(**{**GOOD, **wrong})

    verdict, reasons = decide(counts)

    assert (red(counts), verdict, len(reasons)) == ([name], Verdict.RED, 1)


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({}, Verdict.GREEN),
        ({"checked": 9, "under_way": 9}, Verdict.GREEN),
        ({"slots": {"order": "extended"}}, Verdict.GREEN),
        ({"days_ahead": {"order": 2}}, Verdict.GREEN),
        ({"late": ONE}, Verdict.GREY),
        ({"behind": ["topic order-created"]}, Verdict.GREY),
        ({"late": ONE, "behind": ["outbox of order"], "lost": ONE}, Verdict.RED),
    ],
)
def test_what_is_unsure_is_grey_and_what_is_wrong_outweighs_it(counts, verdict):
    assert decide(Counts(**{**GOOD, **counts}))[0] is verdict


def test_every_count_is_judged():
    """A count that is added and never looked at would be a promise that nobody checks."""
    told = {"checked", "under_way"}
    for field in fields(Counts):
        worst = {
            "slots": {"x": "lost"},
            "days_ahead": {"x": 0},
            "stock": ["x"],
            "made_anew": ["x"],
            "set_back": ["x"],
            "missing_topics": ["x"],
            "behind": ["x"],
            "held_up": ["x"],
        }.get(field.name, ONE)
        if field.name not in told:
            assert decide(Counts(**{field.name: worst}))[0] is not Verdict.GREEN, field.name


def test_a_reason_names_how_many_and_the_first_three():
    _, reasons = decide(Counts(lost=Count(7, list("abcdefg"))))

    assert reasons == ["7 lost: a, b, c"]


def test_a_report_says_all_of_it():
    body = as_json(Counts(lost=ONE, **GOOD), [{"kind": "replay"}])

    assert (body["verdict"], body["lost"]) == (Verdict.RED, {"count": 1, "ids": ["an-id"]})
    assert [each["name"] for each in body["invariants"] if each["problems"]] == ["S4"]
    assert body["recoveries"] == [{"kind": "replay"}]


@pytest.mark.parametrize(("age", "stale"), [(0, False), (20, False), (21, True), (-600, True)])
def test_a_report_that_is_old_or_of_a_time_to_come_says_so(age, stale):
    now = datetime.now(UTC)

    assert bool(staleness(now - timedelta(seconds=age), now, 20)) is stale


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        (None, None),
        (b"", []),
        (b"\x00\xff" * 5000, [("ce_source", b"\x00" * 9000), ("ce_id", b"\xff"), ("sequence", b"-1")]),
        (b"k", [("ce_id", None), ("sequence", "\u0663".encode()), ("ce_source", None)]),
        (b"k", [("sequence", b"9" * 40)]),
    ],
)
def test_whatever_a_record_holds_is_read_as_something_that_a_table_takes(key, headers):
    record = {"topic": "t", "partition": 0, "offset": 1, "key": key, "headers": headers, "value": None}
    message = SimpleNamespace(**{name: lambda value=value: value for name, value in record.items()})
    message.timestamp = lambda: (0, -1)

    arrival = _arrival(message)

    assert (arrival.event_id, arrival.sequence) == (None, 0)
    assert max(len(arrival.key), len(arrival.source)) <= TEXT_MAX
    assert "\x00" not in arrival.key + arrival.source


def test_a_good_record_is_read_as_it_is():
    event_id = uuid4()
    headers = [("ce_id", str(event_id).encode()), ("sequence", b"7"), ("ce_source", b"/order")]
    record = {"topic": "t", "partition": 2, "offset": 1, "key": b"k", "headers": headers, "value": b"{}"}
    message = SimpleNamespace(**{name: lambda value=value: value for name, value in record.items()})
    message.timestamp = lambda: (1, 1_700_000_000_000)

    arrival = _arrival(message)

    assert (arrival.event_id, arrival.sequence, arrival.source) == (event_id, 7, "/order")
