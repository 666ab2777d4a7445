"""What readings are told from, where no database is needed."""

import threading
from contextlib import closing
from types import SimpleNamespace

import pytest
from kafka import TopicPartition
from sqlalchemy import make_url

from connect.client import ConnectClient
from contracts.services import SERVICES
from monitor import ask_connect, ask_kafka, gather
from monitor.filling import Filling, Sample, growth
from monitor.gather import Access, Reader
from runtime.waiting import Backoff, until
from tests.connect_worker import worker_that_answers
from tests.dashboard_pages import answering

MB = 1 << 20
NOBODY = "http://127.0.0.1:1"
STATUS = {
    "order-outbox": {
        "status": {
            "connector": {"state": "RUNNING", "worker_id": "one:8083"},
            "tasks": [{"id": 0, "state": "FAILED", "worker_id": "one:8083", "trace": "why\nat there"}],
        }
    }
}


def sawtooth(seconds, rate):
    """A sound relay's slot on a busy database: let go of every fifteen seconds, and not in between."""
    return [Sample(float(at), 1000 + (at % 15) * rate) for at in range(0, seconds, 5)]


def test_a_slot_that_nobody_reads_is_full_when_its_room_is_used_up():
    filling = Filling()
    for at in range(0, 60, 5):
        filling.seconds_to_full(at, at * MB, 1000 * MB)

    left = filling.seconds_to_full(60, 60 * MB, 500 * MB)

    assert left == pytest.approx(500)


def test_a_sound_relay_never_fills_its_slot_however_much_is_written():
    assert growth(sawtooth(60, rate=5 * MB)) == 0


def test_what_has_grown_and_grows_no_more_is_not_full_soon():
    filling = Filling()
    told = [filling.seconds_to_full(at, min(at, 30) * MB, 1000 * MB) for at in range(0, 200, 5)]

    assert told[6] is not None
    assert told[-1] is None


@pytest.mark.parametrize("seconds", [0, 5, 25])
def test_after_a_few_seconds_nothing_is_said(seconds):
    filling = Filling()
    for at in range(0, seconds + 1, 5):
        left = filling.seconds_to_full(at, at * MB, 1000 * MB)

    assert left is None


def test_where_nothing_bounds_a_slot_it_is_never_full():
    filling = Filling()
    for at in range(0, 61, 5):
        left = filling.seconds_to_full(at, at * MB, None)

    assert left is None


def client(*urls):
    return ConnectClient(urls, timeout_seconds=2, retries=Backoff(attempts=1, first_seconds=0))


def test_connectors_and_workers_are_told_by_whoever_answers():
    with worker_that_answers((200, {"version": "4.3.1"}), (200, STATUS)) as (url, _):
        told = ask_connect.connect(client(NOBODY, url))

    assert told.workers == {NOBODY: False, url: True}
    assert told.connectors["order-outbox"].tasks[0].state == "FAILED"


def test_a_worker_that_is_rebalancing_answers_and_tells_nothing():
    with worker_that_answers((200, {"version": "4.3.1"}), (409, {"message": "rebalance"})) as (url, _):
        told = ask_connect.connect(client(url))

    assert (told.workers, told.connectors) == ({url: True}, None)


class Late(dict):
    """Answers that come when somebody lets them."""

    def __init__(self, answers):
        super().__init__(answers)
        self.gate = threading.Event()

    def get(self, path, otherwise):
        self.gate.wait(5)
        return super().get(path, otherwise)


def test_an_answer_that_came_too_late_is_not_told_as_of_now(monkeypatch):
    away = make_url("postgresql+psycopg://x:y@127.0.0.1:1/x")
    answers = Late({"/": (200, {"version": "4.3.1"}), "/connectors?expand=status": (200, STATUS)})
    with answering(answers) as (url, _):
        access = Access(away, dict.fromkeys(SERVICES, away), (url,), ("127.0.0.1:1",))
        with closing(Reader(access, "test")) as reader:
            monkeypatch.setattr(gather, "SECONDS_MAX", 0.2)
            early = reader.take()
            answers.gate.set()
            until(lambda: not reading(), within_seconds=5, what="the late answer")
            answers["/connectors?expand=status"] = (200, {})
            monkeypatch.undo()
            now = reader.take()

    assert "has not answered" in early.connect.why
    assert now.connect.connectors == {}


def reading():
    """The threads that ask."""
    return [thread for thread in threading.enumerate() if thread.name == "reading"]


def at(offset):
    """A place in a partition, as Kafka's client gives it."""
    return SimpleNamespace(offset=offset)


def test_lag_is_what_lies_between_a_group_and_the_ends_of_what_it_must_see():
    positions = {
        "payment": {
            TopicPartition("payment-commands", n): at(offset) for n, offset in ((0, 7), (1, 4), (2, -1))
        },
        "order": {TopicPartition("payment-commands", 0): at(100)},
    }
    cluster = SimpleNamespace(
        list_group_offsets=lambda group: {group: positions.get(group, {})},
        list_partition_offsets=lambda places: {place: at(5) for place in places},
    )

    lag = ask_kafka.lag(cluster)

    assert lag[("payment", "payment-commands")] == 0 + 1 + 5
    assert lag[("inventory", "order-completed")] == 15
    assert ("order", "payment-commands") not in lag
