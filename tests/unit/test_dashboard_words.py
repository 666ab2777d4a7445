"""What the dashboard says of readings: alarms, pipelines, lags, relays; and what forms and addresses mean."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connect.configurations import configuration
from connect.health import ConnectorStatus, TaskStatus
from contracts.services import ORDER, SERVICES, Service
from dashboard import alarms, chaos_reports, history, lag, pipeline, relays
from dashboard.entry_pages import local
from dashboard.guard import WRONG_ALL_MAX, WRONG_MAX, WRONG_SECONDS, Attempts
from dashboard.history import History, Sample
from dashboard.letter_filters import Filter, WrongFilter
from dashboard.money import amount
from dashboard.sentences import Tone
from doctor.facts import Silence
from messaging.letters import Wanted
from monitor.readings import Audit, Connect, Database, Readings, Sagas, Slot, Waiting

SLOT = Slot(active=True, wal_status="reserved", lag_bytes=10, retained_bytes=2_000_000, keep_bytes=10**9)
SOUND = Readings(
    taken_at=datetime(2026, 1, 1, tzinfo=UTC),
    seconds=0.1,
    audit=Audit("green", age_seconds=1, checked=1234),
    databases={service.name: Database(SLOT, 1.0, 8) for service in SERVICES},
    sagas=Sagas(by_status={"RUNNING": Waiting(3, 0.4)}),
    intents={},
    connect=Connect(
        {"http://c1": True},
        {
            service.connector: ConnectorStatus(
                service.connector, "RUNNING", "w", (TaskStatus(0, "RUNNING", "w"),)
            )
            for service in SERVICES
        },
    ),
    lag={},
)
ANSWERS = {service.name: True for service in SERVICES}


def told(readings, answers=ANSWERS):
    return alarms.alarms(readings, answers)


def slot(**changes):
    return {"databases": {**SOUND.databases, "order": Database(replace(SLOT, **changes), 1.0, 8)}}


def relay(state="RUNNING", task="RUNNING", trace=""):
    status = ConnectorStatus(ORDER.connector, state, "w", (TaskStatus(0, task, "w", trace),))
    return Connect({"http://c1": True}, {**SOUND.connect.connectors, ORDER.connector: status})


# ── alarms


def test_a_sound_system_has_no_alarm_and_says_so():
    assert told(SOUND) == []
    assert alarms.verdict(SOUND, []).text == "All is well: 1,234 events checked, none of them is missing."


ALARMS = {
    "red": ({"audit": Audit("red", reasons=["2 lost: a, b"])}, Tone.BAD, "2 lost"),
    "grey": ({"audit": Audit("grey", reasons=["it is behind"])}, Tone.WARNING, "it is behind"),
    "silent Kafka": ({"lag": Silence("kafka", "TimeoutError: x")}, Tone.BAD, "Kafka does not answer"),
    "silent database": (
        {"databases": {**SOUND.databases, "order": Silence("database order", "OperationalError: secret")}},
        Tone.BAD,
        "database order does not answer (OperationalError)",
    ),
    "for a person": (
        {"sagas": Sagas(by_status={"NEEDS_ATTENTION": Waiting(1, 300)})},
        Tone.BAD,
        "One order waits for a person, the oldest for 5 min",
    ),
    "overdue": ({"sagas": Sagas(overdue_seconds=120)}, Tone.WARNING, "2 min ago and nobody looks"),
    "parked": (
        {"databases": {**SOUND.databases, "order": Database(SLOT, 1, 8, {("order", "Bad"): Waiting(2, 61)})}},
        Tone.BAD,
        "order has 2 parked messages, the oldest for 61",
    ),
    "no days": ({"databases": {**SOUND.databases, "order": Database(SLOT, 1, 1)}}, Tone.BAD, "1 days only"),
    "no slot": ({"databases": {**SOUND.databases, "order": Database(None, 1, 8)}}, Tone.BAD, "is not there"),
    "lost slot": (slot(wal_status="lost"), Tone.BAD, "is lost"),
    "idle slot": (slot(active=False), Tone.WARNING, "Nobody reads from the slot order_outbox"),
    "filling slot": (slot(retained_bytes=750_000_000), Tone.WARNING, "holds back 75%"),
    "full slot": (slot(retained_bytes=900_000_000), Tone.BAD, "holds back 90%"),
    "soon full": (slot(seconds_to_full=600.0), Tone.WARNING, "is full in 10 min"),
    "task": (
        {"connect": relay(task="FAILED", trace="java.x: no\nat")},
        Tone.BAD,
        "relay of order is FAILED (java.x: no",
    ),
    "paused": ({"connect": relay(state="PAUSED")}, Tone.WARNING, "PAUSED: a person has paused it"),
    "starting": ({"connect": relay(task="UNASSIGNED")}, Tone.WARNING, "does not run yet"),
    "unregistered": ({"connect": Connect({"u": True}, {})}, Tone.BAD, "is not registered"),
    "a worker away": (
        {"connect": replace(SOUND.connect, workers={"http://c1": True, "http://c2": False})},
        Tone.WARNING,
        "worker http://c2 does not answer",
    ),
    "all workers away": ({"connect": Connect({"a": False}, None)}, Tone.BAD, "no relay can be asked"),
    "late": (
        {
            "audit": replace(
                SOUND.audit, awaited={("order", "t"): Waiting(4, 45), ("order", "u"): Waiting(1, 9)}
            )
        },
        Tone.WARNING,
        "5 of order's events are not in their topics, the oldest for 45 s",
    ),
    "unread": (
        {"audit": replace(SOUND.audit, unread={("payment", "t"): Waiting(7, 90)})},
        Tone.WARNING,
        "payment has not handled 7 events",
    ),
    "gateway": ({"intents": {("charge", "unknown"): Waiting(2, 120)}}, Tone.WARNING, "not settled 2 charges"),
}


@pytest.mark.parametrize(("change", "tone", "words"), ALARMS.values(), ids=ALARMS.keys())
def test_what_is_wrong_is_an_alarm(change, tone, words):
    found = told(replace(SOUND, **change))

    assert [each for each in found if words in each.text and each.tone is tone], found
    assert alarms.verdict(SOUND, found).tone is tone


def test_an_api_that_takes_no_requests_is_an_alarm():
    [alarm] = told(SOUND, {**ANSWERS, "payment": False})

    assert (alarm.text, alarm.tone) == ("payment's API takes no requests.", Tone.BAD)


def test_the_worst_comes_first_and_is_counted():
    found = told(replace(SOUND, connect=relay(state="PAUSED"), audit=Audit("red", reasons=["x"])))

    assert [each.tone for each in found] == [Tone.BAD, Tone.WARNING]
    assert alarms.verdict(SOUND, found).text == "One thing needs somebody."
    assert alarms.verdict(SOUND, found[1:]).text == "It works; one thing is to be looked at."


def test_what_waits_for_a_moment_is_no_alarm():
    young = replace(
        SOUND.audit, awaited={("order", "t"): Waiting(500, 2)}, unread={("order", "t"): Waiting(9, 3)}
    )

    assert told(replace(SOUND, audit=young)) == []


# ── history and pipelines


def samples(*pairs, readings=SOUND, key=("order", "outbox")):
    return [Sample(at, readings, {key: number}, ANSWERS) for at, number in pairs]


def test_a_rate_is_that_of_late():
    assert history.rate(samples((0, 0), (100, 1000), (110, 1100)), ("order", "outbox")) == 10
    assert history.rate(samples((0, 5)), ("order", "outbox")) is None
    assert history.rate([], ("order", "outbox")) is None
    assert history.rate(samples((0, 500), (10, 3)), ("order", "outbox")) == 0, "a counter that was reset"


def test_history_is_bounded():
    kept = History(most=3)
    for sample in samples(*((at, at) for at in range(9))):
        kept.add(sample)

    assert [sample.at for sample in kept.samples()] == [6, 7, 8]


def test_restarts_are_seen_when_the_supervisors_count_grows():
    counts = [{}, {"order-outbox": 1.0}, {"order-outbox": 3.0}, {"order-outbox": 0.0}, {"order-outbox": 1.0}]
    seen = [Sample(10.0 * n, SOUND, restarts=each) for n, each in enumerate(counts)]

    assert history.restarts_seen(seen) == [(0.0, "order-outbox", 1), (20.0, "order-outbox", 2)]


def test_each_service_has_every_hop():
    found = pipeline.strips(samples((0, 0), (10, 240)))

    assert [strip.service for strip in found] == ["order", "payment", "inventory"]
    assert [cell.hop for cell in found[0].cells] == list(pipeline.HOPS)
    api, outbox, place, connector, topic, _, effect = found[0].cells
    assert (api.main, outbox.main, outbox.more) == ("answers", "24 events/s", ("none waits",))
    assert (place.main, place.more) == ("active", ("2.0 MB kept, 0%", "10 B unread"))
    assert (connector.main, connector.more) == ("RUNNING", ("task 0 RUNNING",))
    assert topic.more == ("none waits",)
    assert (effect.main, effect.more) == ("3 under way", ("oldest 0.4 s", "none parked"))
    assert {cell.tone for strip in found for cell in strip.cells} == {Tone.GOOD}


def test_what_waits_at_a_hop_is_told_with_its_age():
    audit = replace(SOUND.audit, awaited={("order", "t"): Waiting(4, 45)})

    outbox = pipeline.strips(samples((0, 0), readings=replace(SOUND, audit=audit)))[0].cells[1]

    assert (outbox.more, outbox.tone) == (("4 to its topic", "oldest 45 s"), Tone.WARNING)


def test_a_part_that_is_away_makes_its_hops_unknown_and_no_others():
    away = replace(SOUND, connect=Silence("connect", "x"))

    cells = pipeline.strips(samples((0, 0), readings=away))[0].cells

    assert [(cell.hop, cell.main) for cell in cells if cell.tone is Tone.BAD] == [("connector", "not known")]


def test_a_service_that_joins_has_a_pipeline_of_its_own(monkeypatch):
    delivery = Service("delivery", "delivery")
    monkeypatch.setattr(pipeline, "SERVICES", (*SERVICES, delivery))
    read = replace(SOUND, databases={**SOUND.databases, "delivery": Database(SLOT, 1.0, 8)})

    effect = pipeline.strips(samples((0, 0), (10, 9), readings=read))[-1].cells[-1]

    assert (effect.main, effect.more, effect.tone) == ("–", ("none parked",), Tone.GOOD)


def test_nothing_was_read_yet():
    assert pipeline.strips([]) == []
    assert [each.unread for each in lag.behind([])] == [None] * len(lag.behind([]))


# ── lag


def test_a_consumer_is_behind_in_messages_seconds_and_offsets():
    audit = replace(SOUND.audit, unread={("payment", "payment-commands"): Waiting(12, 40)})
    read = replace(SOUND, audit=audit, lag={("payment", "payment-commands"): 30})

    [found] = [each for each in lag.behind([Sample(0, read)]) if each.consumer == "payment"]

    assert (found.unread, found.offsets, found.tone) == (Waiting(12, 40), 30, Tone.WARNING)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([5, 9], "not known yet"),
        ([3, 8, 2, 7, 5, 4], "steady"),
        ([0, 5, 40, 80, 120, 160], "growing"),
        ([500, 400, 300, 200, 100, 0], "shrinking"),
    ],
)
def test_a_trend_has_a_name(found, told):
    assert lag.trend(found) == told


def test_a_line_ends_at_the_right_and_stays_in_its_box():
    line = lag.line([(-400.0, 50), (-150.0, 100), (0.0, 0)])

    assert line == "0.0,10.0 50.0,1.0 100.0,19.0"


# ── relays


def test_a_relay_that_runs_as_its_file_says_is_good():
    configs = {service.connector: configuration(service.connector) for service in SERVICES}
    found = relays.relays(SOUND.connect.connectors, configs, SOUND, {ORDER.connector: 2.0})

    assert relays.verdict(found, None, {"u": True}).tone is Tone.GOOD
    assert [each.restarts for each in found] == [2, None, None]
    assert found[0].config["database.password"].startswith("${env:")


def test_drift_and_failure_are_told_and_secrets_withheld():
    changed = {**configuration(ORDER.connector), "poll.interval.ms": "1", "database.password": "hunter2"}
    found = relays.relays(relay(task="FAILED").connectors, {ORDER.connector: changed}, None, {})[0]

    assert found.config["database.password"] == relays.WITHHELD
    assert "hunter2" not in str(found)
    assert set(found.drifted) == {"poll.interval.ms", "database.password"}
    assert found.can_restart_failed
    assert not found.is_slot_known
    assert relays.verdict([found], None, {}).text == "order-outbox does not relay: see below why."


# ── forms and addresses


def test_a_filter_means_what_the_command_line_means_by_it():
    found = Filter.read({"service": "payment", "id": "7", "older": "2h", "reason": " no ", "other": "x"})

    assert found.wanted == Wanted(None, 7, None, "no", 7200.0)
    assert found.services == ("payment",)
    assert Filter.read(found.as_query()) == found
    assert str(found) == "service payment, id 7, reason no, older 2h"


@pytest.mark.parametrize(
    "given",
    [
        {"service": "kitchen"},
        {"id": "7"},
        {"id": "²", "service": "order"},
        {"older": "soon"},
        {"key": "a\0b"},
        {"older": "9" * 9 + "s"},
    ],
)
def test_what_is_no_filter_is_refused(given):
    with pytest.raises(WrongFilter):
        Filter.read(given)


@pytest.mark.parametrize(
    ("place", "taken"),
    [
        ("/orders/1?a=b", True),
        ("", False),
        ("https://elsewhere", False),
        ("//elsewhere/x", False),
        ("/\\elsewhere", False),
        ("javascript:x", False),
        ("//[", False),
        ("/\t/elsewhere", False),
    ],
)
def test_who_signs_in_is_sent_nowhere_else(place, taken):
    assert (local(place) == place) is taken


def test_wrong_tokens_are_bounded_by_address_and_in_all():
    attempts = Attempts()
    for _ in range(WRONG_MAX):
        assert attempts.may_try("a", 0.0)
        attempts.note_wrong("a", 0.0)

    assert not attempts.may_try("a", 1.0)
    assert attempts.may_try("b", 1.0)
    assert attempts.may_try("a", WRONG_SECONDS + 1)

    for number in range(WRONG_ALL_MAX):
        attempts.note_wrong(f"address {number}", 1.0)
    assert not attempts.may_try("c", 2.0)


def test_money_is_told_in_units():
    assert amount(123450, "EUR") == "1,234.50 EUR"


# ── runs of faults


def test_runs_that_can_be_read_are_listed_and_others_are_not(tmp_path):
    for name, text in {"good": '{"verdict": "valid"}', "broken": "{", "other": "[]"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(text)
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone").symlink_to(tmp_path / "elsewhere")

    assert [run.name for run in chaos_reports.newest(tmp_path)] == ["good"]
    assert chaos_reports.read(tmp_path, "good") == {"verdict": "valid"}
    assert chaos_reports.read(tmp_path, "../good") is None
    assert chaos_reports.read(tmp_path, "empty") is None
    assert chaos_reports.newest(tmp_path / "nowhere") == []
