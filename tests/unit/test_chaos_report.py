"""What is kept and published of a run: history, evidence, figures, the page, and the largest run."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from chaos import measures
from chaos.checker import check
from chaos.conclusion import EVIDENCE, HISTORY, conclude_again
from chaos.drawing import draw
from chaos.evidence import Endpoints, Evidence
from chaos.history import History, operations, read
from chaos.largest import note_largest
from chaos.report import PAGE, RESULT, About, Run, write
from chaos.rows import Aborted, GatewayEntry, Order
from chaos.verdict import judge
from tests.testimony import a_fault, a_good_history, a_good_system, placed

GOOD = a_good_system()
ABOUT = About(
    scenario="broker-kill", sentence="a broker is killed", seed=7, command="./run chaos broker-kill --seed 7"
)


def a_run(*faults, about=ABOUT, evidence=GOOD):
    asked = [
        *a_good_history(evidence),
        *(placed(o.id, at=n / 9, kind="repeat") for n, o in enumerate(GOOD.orders * 7)),
    ]
    history = [*asked, *faults]
    results = check(evidence, history)
    return Run(
        about=about, operations=history, evidence=evidence, results=results, judgement=judge(results, history)
    )


def test_a_history_is_read_as_it_was_written(tmp_path):
    with History(tmp_path / "history.jsonl") as history:
        begun = history.begin("client-1", "place", key="k", intended=0.5, value={"body": {"items": []}})
        ended = history.end(begun, "ok", status=201, value={"order_id": "o"})
        lost = history.begin("client-2", "get", value={"order_id": "o"})

    found = operations(read(tmp_path / "history.jsonl"))

    assert [(each.begin, each.end) for each in found] == [(begun, ended), (lost, None)]
    assert [each.outcome for each in found] == ["ok", "unknown"]


@pytest.mark.parametrize("gateway", [None, (), (GatewayEntry(1, "k", "charge", 5, None),)])
def test_evidence_is_read_as_it_was_saved(tmp_path, gateway):
    evidence = replace(
        GOOD, gateway=gateway, strangers=("/chaos",), still_open=("a saga",), aborted=(Aborted("t", 3),)
    )

    evidence.save(tmp_path / "evidence.json.gz")

    found = Evidence.load(tmp_path / "evidence.json.gz")
    assert found == evidence
    assert isinstance(found.orders[0], Order)


def test_endpoints_do_not_show_passwords():
    endpoints = Endpoints(
        bootstrap_servers="here", databases={"order": "postgresql://auditor:secret@here/orders"}
    )

    assert "secret" not in repr(endpoints)


def test_a_run_is_judged_again_from_its_files(tmp_path):
    with History(tmp_path / HISTORY) as history:
        history.end(history.begin("client-1", "place", key="key-x", value={}), "fail", status=503)
    GOOD.save(tmp_path / EVIDENCE)

    told = conclude_again(tmp_path, ABOUT)

    assert told["verdict"] == "unknown"
    assert told == json.loads((tmp_path / RESULT).read_text())


# ── figures


def test_what_a_fault_did_is_told_by_the_orders_around_it():
    world = a_good_system()
    orders = [o.id for o in world.orders if o.status == "COMPLETED"]
    moments = dict(zip(orders, (1.0, 12.0), strict=True))
    log = tuple(
        line._replace(at=1_000_000.0 + moments[line.saga_id])
        for line in world.saga_log
        if line.saga_id in moments and line.status == "COMPLETED"
    )
    history = [placed(orders[0], at=0.5), placed(orders[1], at=10.0), a_fault(at=2.0, took=6.0)]

    [told] = measures.struck(history, replace(world, saga_log=log))

    assert (told.outage, told.recovery, told.pause) == pytest.approx((10.0, 4.0, 11.0))


def test_a_fault_after_the_last_order_has_no_recovery():
    [told] = measures.struck([placed("o", at=0.5), a_fault(at=2.0)], Evidence())

    assert (told.outage, told.recovery, told.pause) == (None, None, None)


def test_latency_counts_from_when_an_order_was_meant_to_be_sent():
    late = placed("o", at=9.0, took=0.5, intended=4.2)

    assert measures.latency([late], 0.99) == ((4, pytest.approx(5.3)),)


def test_an_order_that_was_answered_twice_counts_once():
    twice = [placed("o", at=0.5), placed("o", at=2.5, kind="repeat")]

    assert dict(measures.accepted_per_second(twice)) == {0: 1, 1: 0, 2: 0}


def test_events_are_on_their_way_from_their_outbox_until_they_first_came_to_their_topic():
    """The wall's clock stood at 1,000,000 s when the run began."""
    world = a_good_system()
    first, second, third = world.outbox[:3]
    outbox = tuple(e._replace(at=1_000_000.0 + at) for e, at in ((first, 0.2), (second, 0.4), (third, 2.5)))
    records = tuple(
        world.records[0]._replace(id=each.id, at=1_000_000.0 + at)
        for each, at in ((first, 0.3), (first, 3.0), (second, 1.9))
    )

    lag = measures.events_on_their_way(
        [placed("o", at=0.0, took=4.0)], Evidence(outbox=outbox, records=records)
    )

    assert dict(lag) == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1}


def test_orders_are_on_their_way_until_their_sagas_end():
    world = a_good_system()
    orders = [o.id for o in world.orders if o.status == "COMPLETED"]
    moments = dict(zip(orders, (0.9, 2.2), strict=True))
    log = tuple(
        line._replace(at=1_000_000.0 + moments[line.saga_id])
        for line in world.saga_log
        if line.saga_id in moments and line.status == "COMPLETED"
    )
    asked = [placed(orders[0], at=0.5), placed(orders[1], at=0.6), placed("never", at=3.0)]

    lag = measures.orders_on_their_way(asked, replace(world, saga_log=log))

    assert dict(lag)[0] == 2
    assert dict(lag)[1] == 1
    assert max(dict(lag).items()) == (4, 1)


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.99, 4), (0.01, 1)])
def test_percentiles_are_values_that_were_measured(share, value):
    assert measures.percentile([4, 2, 3, 1], share) == value


def test_pictures_of_a_run_have_one_scale_of_time(tmp_path):
    """An order that came to its end long after the last answer makes all of them longer."""
    late = tuple(line._replace(at=line.at + 90) for line in GOOD.saga_log)
    write(tmp_path, a_run(a_fault(), evidence=replace(GOOD, saga_log=late)))

    bars = re.findall(r'<rect class="bar" x="([^"]+)"', (tmp_path / PAGE).read_text())
    assert (len(bars), len(set(bars))) == (3, 1)


@pytest.mark.parametrize(("most", "top"), [(0, 1), (52, 60), (203, 300), (0.49, 0.5), (600, 600)])
def test_a_scale_ends_a_little_above_what_it_shows(most, top):
    assert float(draw("t", "s", {"one": ((0.0, most),)}, (), 1).up[-1].text) == pytest.approx(top)


def test_an_effect_is_told_in_words():
    [told] = measures.struck(
        [a_fault(effect={"pids": {"broker-1": [7, 9]}, "ended": ["broker-1"], "took_seconds": 2.5})],
        Evidence(),
    )

    assert told.effect == "pids broker-1 7 9; ended broker-1; took seconds 2.5"


@pytest.mark.parametrize("line", [(), ((0.0, 0.0),), ((0.0, 0.003), (3.0, 7000.0))])
def test_a_picture_keeps_within_its_frame(line):
    picture = draw("t", "s", {"one": line}, (), 2.5)

    for x, y in (map(float, point.split(",")) for point in picture.lines[0].points.split()):
        assert 0 <= x <= 900
        assert 0 <= y <= 180


# ── the page


class Tags(HTMLParser):
    """Collects a page's tags, and sees that they are closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, _attrs):
        self.seen.add(tag)
        if tag not in {"meta", "br", "link", "img", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, _attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_says_the_verdict_and_needs_nothing_but_itself(tmp_path):
    told = write(tmp_path, a_run(a_fault(), a_fault(3, effect=())))

    page = (tmp_path / PAGE).read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert told["verdict"] == "unknown"
    assert '<span class="unknown">unknown</span>' in page
    assert "1 of 2 faults were not seen to work while something was asked" in page
    assert ABOUT.command in page
    assert page.count("<polyline") == 6
    assert tags.seen & {"script", "link", "img"} == set()
    assert not re.search(r"https?://", page)
    assert "prefers-color-scheme: dark" in page
    assert 'role="img"' in page


def test_the_result_tells_programs_the_same(tmp_path):
    told = write(tmp_path, a_run(a_fault(at=0.1)))

    assert told == json.loads((tmp_path / RESULT).read_text())
    assert (told["scenario"], told["seed"], told["verdict"]) == ("broker-kill", 7, "valid")
    assert (told["orders"], told["events"]) == (len(GOOD.orders), len(GOOD.outbox))
    assert told["bounds"] == {"orders": 0.5, "faults": 1.0}
    assert told["faults"][0]["count"] == told["faults"][0]["effective"] == 1
    assert told["operations"]["place"] == {"ok": 6, "fail": 0, "unknown": 0, "as_meant": 6}
    assert {each["verdict"] for each in told["invariants"]} == {"valid"}
    assert all(each["bound"] for each in told["invariants"])


def test_what_is_broken_is_shown_and_escaped(tmp_path):
    bad = replace(GOOD, still_open=("<script>alert(1)</script>",))

    write(tmp_path, a_run(a_fault(), evidence=bad))

    page = (tmp_path / PAGE).read_text()
    assert '<span class="invalid">invalid</span>' in page
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_draws_the_lag_over_the_faults(tmp_path):
    write(tmp_path, a_run(a_fault()))

    page = (tmp_path / PAGE).read_text()
    assert "events in an outbox and not in their topic yet" in page
    assert "orders accepted and not at their end" in page


# ── the largest run


def told_of(orders, verdict="valid", effective=8):
    kinds = [{"fault": "kill -9", "count": 9, "effective": effective}]
    return {
        "scenario": "random",
        "verdict": verdict,
        "orders": orders,
        "events": 6 * orders,
        "faults": kinds,
        "duration_seconds": 5400,
        "began": "2026-01-01T00:00:00+00:00",
        "seed": 3,
        "command": "./run chaos random",
        "invariants": [{"checked": 10, "found": int(verdict == "invalid")}],
    }


def test_only_a_larger_run_replaces_what_is_noted(tmp_path):
    page = tmp_path / "docs" / "chaos-results.md"

    assert note_largest(page, told_of(20_000))
    assert not note_largest(page, told_of(19_999))
    assert not note_largest(page, told_of(20_000))
    assert not note_largest(page, told_of(19_999, effective=9))
    assert not note_largest(page, told_of(99_999, "unknown"))
    assert note_largest(page, told_of(20_000, effective=9))
    page.write_text(page.read_text() + "\nWhat people wrote stays.\n")
    assert note_largest(page, told_of(30_000, "invalid"))

    text = page.read_text()
    assert "30,000" in text
    assert "20,000" not in text
    assert "**invalid**" in text
    assert "8 of 9" in text
    assert "1.50" in text
    assert text.endswith("What people wrote stays.\n")
    assert text.count("<!-- largest") == 1


def test_a_page_without_a_place_for_it_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("something else")

    with pytest.raises(ValueError, match="no place"):
        note_largest(page, told_of(1))

    assert page.read_text() == "something else"
