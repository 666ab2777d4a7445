from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from connect.client import ConnectClient
from connect.progress import STRANDED_SECONDS, WEDGED_SECONDS, Sight
from connect.restarts import HOPELESS_AFTER
from connect.supervisor import Supervisor
from runtime.waiting import Backoff
from tests.connect_worker import worker_that_answers

NAME = "order-outbox"
RESTART_ALL = f"POST /connectors/{NAME}/restart?includeTasks=true&onlyFailed=false"
RESTART_FAILED = f"POST /connectors/{NAME}/restart?includeTasks=true&onlyFailed=true"
SIGHT = Sight(written=1000, flushed=900, restart=800, active=True, wal_status="reserved")


def status(task="RUNNING", connector="RUNNING"):
    worker = {"worker_id": "w"}
    tasks = [{"id": 0, "state": task, **worker}]
    return {NAME: {"status": {"connector": {"state": connector, **worker}, "tasks": tasks}}}


def supervisor(url, look, name=NAME):
    retries = Backoff(attempts=1, first_seconds=0)
    return Supervisor(ConnectClient([url], timeout_seconds=5, retries=retries), (name,), look)


def wedged():
    """A relay that stands still while WAL grows: each look finds more of it."""
    written = iter(range(1000, 10_000))
    return lambda _: replace(SIGHT, written=next(written))


def moving():
    place = iter(range(1000, 10_000))
    return lambda _: replace(SIGHT, written=(now := next(place)), flushed=now)


def test_a_relay_that_runs_and_brings_nothing_is_restarted_whole():
    with worker_that_answers((200, status())) as (url, asked):
        watching = supervisor(url, wedged())

        watching.look_around(0)
        watching.look_around(WEDGED_SECONDS - 1)
        assert watching.problems() == {}
        watching.look_around(WEDGED_SECONDS)

    assert asked[-2:] == ["GET /health", RESTART_ALL]
    assert watching.problems() == {NAME: "it says that it runs, and has brought nothing for 30 s"}


@pytest.mark.parametrize("state", ["RESTARTING", "UNASSIGNED"])
def test_a_task_that_nobody_runs_for_long_is_restarted(state):
    with worker_that_answers((200, status(state))) as (url, asked):
        watching = supervisor(url, wedged())

        watching.look_around(0)
        watching.look_around(STRANDED_SECONDS - 1)
        assert RESTART_ALL not in asked
        watching.look_around(STRANDED_SECONDS)

    assert asked[-2:] == ["GET /health", RESTART_ALL]
    told = f"connector RUNNING, task 0 {state}, and has brought nothing for 60 s"
    assert watching.problems() == {NAME: told}


def test_a_relay_is_watched_on_while_its_task_is_moved():
    found = [(200, status(state)) for state in ("RUNNING", "UNASSIGNED", "RUNNING")]
    with worker_that_answers(*found) as (url, asked):
        watching = supervisor(url, wedged())
        for now in (0, WEDGED_SECONDS / 2, WEDGED_SECONDS):
            watching.look_around(now)

    assert asked[-1] == RESTART_ALL


def test_a_restart_that_was_refused_is_tried_again_soon():
    refused = [(200, status()), (200, status()), (200, {}), (500, {}), (200, status())]
    with worker_that_answers(*refused) as (url, asked):
        watching = supervisor(url, wedged())
        for now in (0, WEDGED_SECONDS, WEDGED_SECONDS + 3):
            watching.look_around(now)

    assert asked.count(RESTART_ALL) == 2


def test_a_restarted_relay_is_given_its_time_again():
    with worker_that_answers((200, status())) as (url, asked):
        watching = supervisor(url, wedged())
        for now in range(0, 2 * int(WEDGED_SECONDS), 10):
            watching.look_around(float(now))

    assert asked.count(RESTART_ALL) == 1


@pytest.mark.parametrize(
    ("look", "found"),
    [
        (moving(), status()),
        (lambda _: None, status()),
        (wedged(), status("PAUSED", "PAUSED")),
        (lambda _: replace(SIGHT, wal_status="lost"), status()),
    ],
    ids=["it moves", "the database is away", "a person has paused it", "a restart would not help"],
)
def test_no_other_relay_is_restarted(look, found):
    with worker_that_answers((200, found)) as (url, asked):
        watching = supervisor(url, look)
        for now in range(0, 300, 10):
            watching.look_around(float(now))

    assert set(asked) == {"GET /connectors?expand=status"}


def test_a_relay_is_left_alone_while_kafka_is_away():
    with worker_that_answers(*[(200, status())] * 2, (503, {"status": "unhealthy"})) as (url, asked):
        watching = supervisor(url, wedged())
        watching.look_around(0)
        watching.look_around(WEDGED_SECONDS)

    assert RESTART_ALL not in asked
    assert "503" in watching.problems()["connect"]


def test_restarts_in_vain_call_for_a_person(logged):
    with worker_that_answers((200, status())) as (url, asked):
        watching = supervisor(url, wedged())
        for now in range(0, 150 * HOPELESS_AFTER, 10):
            watching.look_around(float(now))

    assert asked.count(RESTART_ALL) > HOPELESS_AFTER
    assert [line for line in logged() if "a person is needed" in line["event"]]


def test_what_failed_is_restarted_and_only_that():
    with worker_that_answers((200, status("FAILED"))) as (url, asked):
        supervisor(url, moving()).look_around(0)

    assert asked[-1] == RESTART_FAILED


def test_restarts_are_counted_from_nothing_so_that_the_first_one_shows():
    supervisor("http://nobody", moving(), name="never-restarted")

    told = REGISTRY.get_sample_value("neverlost_connector_restarts_total", {"connector": "never-restarted"})

    assert told == 0
