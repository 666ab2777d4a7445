import socket
import threading

import pytest
from kafka.errors import KafkaError

from connect import worker
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
