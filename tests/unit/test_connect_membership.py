import socket
import threading

import pytest
from kafka.errors import KafkaError

from connect import membership, worker
from connect.membership import GROUP, Membership, members_at


@pytest.fixture
def removed(monkeypatch):
    """The addresses that were to be removed, one list a time."""
    asked = []
    monkeypatch.setattr(Membership, "_remove", lambda _, addresses: asked.append(list(addresses)) or [])
    return asked


@pytest.fixture
def living():
    """The address of somebody who listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def dead():
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_the_group_is_that_of_the_workers():
    assert f"group.id={GROUP}\n" in worker.PROPERTIES.read_text()


def test_a_worker_that_refuses_is_removed_once(removed, living, dead):
    watching = Membership([f"http://{living}", f"http://{dead}"], ["no broker"])

    for _ in range(5):
        watching.look_after()

    assert removed == [[dead]]


def test_one_that_died_again_is_removed_again(removed, dead):
    watching = Membership([f"http://{dead}"], ["no broker"])
    host, _, port = dead.rpartition(":")

    watching.look_after()
    with socket.create_server((host, int(port))):
        watching.look_after()
    watching.look_after()
    watching.look_after()

    assert removed == [[dead], [dead]]


def test_one_whose_name_is_not_known_is_left_to_its_session(removed):
    watching = Membership(["http://nowhere.invalid:1"], ["no broker"])

    watching.look_after()
    watching.look_after()

    assert removed == []


def test_a_cluster_that_does_not_answer_is_asked_again(monkeypatch, dead):
    asked = []

    def answer(*_):
        asked.append(1)
        if len(asked) < 3:
            raise KafkaError("away")
        return []

    monkeypatch.setattr(Membership, "_member_ids", answer)
    watching = Membership([f"http://{dead}"], ["no broker"])

    for _ in range(5):
        watching.look_after()

    assert len(asked) == 3


@pytest.fixture
def group(monkeypatch):
    """A function that makes the group look so, one look after another, and tells who is taken out of it."""
    taken_out = []
    monkeypatch.setattr(membership, "_remove", lambda _, members, __: taken_out.extend(members))

    def looks(*states):
        left = iter(states)
        monkeypatch.setattr(membership, "_group", lambda _: next(left))
        return taken_out

    return looks


STABLE = membership._Group(is_stable=True, members=("a", "b"))
MOVING = membership._Group(is_stable=False, members=("b",))
ALONE = membership._Group(is_stable=True, members=("b",))
BACK = membership._Group(is_stable=True, members=("b", "a again"))


def test_one_member_is_taken_out_and_waited_for(group, logged):
    taken_out = group(STABLE, STABLE, MOVING, ALONE, BACK)

    membership.rebalance(["no broker"])

    assert taken_out == ["a"]
    assert [line["event"] for line in logged()] == ["the group of workers has rebalanced"]


def test_a_group_that_rebalances_already_is_left_to_it(group):
    taken_out = group(MOVING, MOVING, BACK)

    membership.rebalance(["no broker"])

    assert taken_out == []


def test_a_group_that_cannot_be_asked_is_logged(monkeypatch, logged):
    monkeypatch.setattr(membership, "_ANSWER_SECONDS_MAX", 0.1)

    membership.rebalance(["127.0.0.1:1"])

    assert [line["event"] for line in logged()] == ["the group of workers has not rebalanced yet"]


def test_when_it_can_look_no_more_the_process_ends(monkeypatch, dead):
    watching, stop = Membership([f"http://{dead}"], ["no broker"]), threading.Event()
    monkeypatch.setattr(Membership, "_member_ids", lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        watching.run(stop)

    assert stop.is_set()


def test_members_are_told_by_the_whole_address():
    ids = ["connect-127.0.0.1:80-a", "connect-127.0.0.1:8083-b", "connect-127.0.0.1:8084-c", "other"]

    assert members_at(["127.0.0.1:8083"], ids) == ["connect-127.0.0.1:8083-b"]
    assert members_at(["127.0.0.1:80", "127.0.0.1:8084"], ids) == [ids[0], ids[2]]
