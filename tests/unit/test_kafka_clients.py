import gc
import socket
import threading
from pathlib import Path

import pytest
from kafka.errors import KafkaError
from kafka.protocol.api_header import ResponseClassRegistry
from kafka.protocol.metadata import MetadataRequest

from messaging.clients import KafkaAdminClient, KafkaConsumer, connected
from runtime.waiting import until

REGISTERED = list(ResponseClassRegistry._response_class_registry.values())


@pytest.fixture
def mute():
    """The address of somebody who takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("kind", [KafkaAdminClient, KafkaConsumer])
@pytest.mark.parametrize("address", ["127.0.0.1:1", None], ids=["nobody there", "nothing said"])
def test_a_client_that_meets_no_broker_leaves_nothing_behind(mute, address, kind):
    gc.collect()
    before, files = set(threading.enumerate()), _files()

    for _ in range(3):
        with pytest.raises(KafkaError):
            connected(kind, [address or mute], bootstrap_timeout_ms=200)

    assert set(threading.enumerate()) <= before
    assert _files() <= files


def test_every_version_of_every_response_is_made_on_import():
    assert [name for each in REGISTERED for name in _missing(each[None])] == []
    assert len(REGISTERED) > 40


def test_no_response_refers_to_its_class_weakly():
    """Or the class would be exchanged for it, and back, whenever code for a version is made."""
    assert [each.name for each in REGISTERED if each[None]._struct.data_class is not each[None]] == []


def test_two_clients_that_meet_a_response_at_once_can_both_read_the_next(monkeypatch):
    """The first has registered its class, and not kept it yet, when the second does both."""
    register = ResponseClassRegistry.register_response_class
    registered, may_go_on = threading.Event(), threading.Event()

    def held_up(made):
        register(made)
        if threading.current_thread() is first:
            registered.set()
            assert may_go_on.wait(10)

    monkeypatch.setattr(ResponseClassRegistry, "register_response_class", held_up)
    first, second = threading.Thread(target=_meet), threading.Thread(target=_meet)
    first.start()
    until(lambda: registered.is_set() or not first.is_alive(), within_seconds=10, what="the first")
    second.start()
    second.join(10)
    may_go_on.set()
    first.join(10)
    gc.collect()

    _meet()


def _meet():
    """Find what reads the answer to a request, as a connection does when one has come."""
    request = MetadataRequest(version=11)
    request.with_header()
    assert ResponseClassRegistry.get_response_class(request.header).name == "MetadataResponse"


def _missing(response):
    versions = range(response.max_version + 1)
    return [f"{response.name} {number}" for number in versions if number not in response._VERSIONS]


def _files():
    return len(list(Path("/proc/self/fd").iterdir()))
