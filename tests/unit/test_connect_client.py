import pytest

from connect.client import ConnectClient, ConnectError
from connect.configurations import configuration, differs
from runtime.waiting import Backoff
from tests.connect_worker import worker_that_answers

AT_ONCE = Backoff(attempts=3, first_seconds=0)
NOBODY = "http://127.0.0.1:1"


def client(*urls):
    return ConnectClient(urls, timeout_seconds=5, retries=AT_ONCE)


def test_next_worker_is_asked_when_one_is_away():
    with worker_that_answers((200, {"slot.name": "s"})) as (url, asked):
        assert client(NOBODY, url).config("c") == {"slot.name": "s"}

    assert asked == ["GET /connectors/c/config"]


def test_connectors_and_their_configurations_are_asked_for_at_once():
    told = {
        "c": {
            "status": {"connector": {"state": "RUNNING", "worker_id": "w"}, "tasks": []},
            "info": {"name": "c", "config": {"slot.name": "s"}, "tasks": [], "type": "source"},
        }
    }
    with worker_that_answers((200, told)) as (url, asked):
        statuses, configs = client(url).registered()

    assert statuses["c"].state == "RUNNING"
    assert configs == {"c": {"slot.name": "s"}}
    assert len(asked) == 1


def test_callers_proxy_has_no_part_in_it(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    monkeypatch.setenv("NO_PROXY", "")
    with worker_that_answers((200, {})) as (url, _):
        assert client(url).config("c") == {}


def test_rebalance_is_waited_out():
    with worker_that_answers((409, {"message": "rebalance"}), (409, {}), (200, {})) as (url, asked):
        client(url).put_config("c", {"a": "b"})

    assert asked == ["PUT /connectors/c/config"] * 3


def test_retries_end():
    with (
        worker_that_answers((409, {"message": "rebalance"})) as (url, asked),
        pytest.raises(ConnectError, match=r"409 .*rebalance"),
    ):
        client(url).put_config("c", {})

    assert len(asked) == AT_ONCE.attempts


DISOWNED = (500, {"message": "Cannot produce to config topic without claiming write privileges first"})


ONE_TRY = Backoff(attempts=1, first_seconds=0)


def test_leader_that_may_not_write_is_made_to_claim_it_and_asked_anew():
    called = []
    with worker_that_answers(DISOWNED, (202, {})) as (url, asked):
        asking = ConnectClient([url], retries=ONE_TRY, rebalance=lambda: called.append(len(asked)))
        asking.restart("c", only_failed=True)

    assert called == [1]
    assert len(asked) == 2


def test_leader_that_still_may_not_write_is_told_of():
    called = []
    with worker_that_answers(DISOWNED) as (url, asked):
        asking = ConnectClient([url], retries=AT_ONCE, rebalance=lambda: called.append(len(asked)))
        with pytest.raises(ConnectError, match="without claiming"):
            asking.restart("c", only_failed=True)

    assert called == [1]
    assert len(asked) == 2


def test_group_is_not_made_to_rebalance_for_anything_else():
    called = []
    with worker_that_answers((500, {"message": "Request timed out"})) as (url, _):
        asking = ConnectClient([url], retries=AT_ONCE, rebalance=lambda: called.append(1))
        with pytest.raises(ConnectError, match="timed out"):
            asking.restart("c", only_failed=True)

    assert called == []


def test_refusal_is_told_and_not_repeated():
    with (
        worker_that_answers((400, {"message": "slot.name is missing"})) as (url, asked),
        pytest.raises(ConnectError, match=r"slot\.name is missing"),
    ):
        client(url).put_config("c", {})

    assert len(asked) == 1


def test_only_failed_parts_are_restarted():
    with worker_that_answers((202, {})) as (url, asked):
        client(url).restart("c", only_failed=True)

    assert asked == ["POST /connectors/c/restart?includeTasks=true&onlyFailed=true"]


def test_unknown_connector_is_an_error_to_change_and_nothing_to_ask_for():
    with worker_that_answers((404, {"message": "not found"})) as (url, _):
        assert client(url).config("c") is None
        with pytest.raises(ConnectError, match="knows nothing of /connectors/c/pause"):
            client(url).pause("c")


def test_connector_is_put_only_when_it_differs():
    wanted = configuration("order-outbox")

    assert differs(None, wanted)
    assert differs({**wanted, "name": "order-outbox", "poll.interval.ms": "500"}, wanted)
    assert differs({**wanted, "name": "order-outbox", "left.over": "1"}, wanted)
    assert not differs({**wanted, "name": "order-outbox"}, wanted)


def test_offset_is_set_for_the_partition_that_it_is_of():
    with worker_that_answers((200, {"message": "altered"})) as (url, asked):
        client(url).set_offset("c", {"server": "order"}, {"lsn": 1})

    assert asked == ["PATCH /connectors/c/offsets"]


def test_every_worker_is_asked_who_it_is():
    root = {"version": "4.3.1", "kafka_cluster_id": "one"}
    with worker_that_answers((200, root)) as (url, asked):
        assert client(url, NOBODY).workers() == {url: root, NOBODY: None}

    assert asked == ["GET /"]


def test_plugins_are_told_with_their_versions():
    with worker_that_answers((200, [{"class": "a.B", "type": "source", "version": "3.7.0.Final"}])) as (
        url,
        _,
    ):
        assert client(url).plugins() == {"a.B": "3.7.0.Final"}


def test_health_is_an_error_where_no_worker_has_any():
    with worker_that_answers((503, {"status": "unhealthy"})) as (url, _), pytest.raises(ConnectError):
        client(url).check_health()


def test_connector_is_registered_without_being_started():
    with worker_that_answers((201, {})) as (url, asked):
        client(url).register_stopped("c", {"a": "b"})

    assert asked == ["POST /connectors"]


def test_what_a_worker_has_against_a_configuration_is_told_by_key():
    values = [{"name": "tasks.max", "errors": []}, {"name": "slot.name", "errors": ["too long", "odd"]}]
    answer = {"error_count": 2, "configs": [{"value": value} for value in values]}

    with worker_that_answers((200, answer)) as (url, asked):
        refused = client(url).refusals({"connector.class": "a.Connector"})

    assert refused == {"slot.name": ("too long", "odd")}
    assert asked == ["PUT /connector-plugins/a.Connector/config/validate"]
