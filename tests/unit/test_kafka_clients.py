import gc
import threading

from kafka.protocol.api_header import ResponseClassRegistry
from kafka.protocol.metadata import MetadataRequest

import messaging.clients
from runtime.waiting import until


def test_every_version_of_every_response_is_made_by_then():
    assert messaging.clients.KafkaAdminClient
    registered = list(ResponseClassRegistry._response_class_registry.values())

    assert [name for each in registered for name in _missing(each)] == []
    assert len(registered) > 40


def test_two_clients_that_meet_a_response_at_once_can_both_read_the_next(monkeypatch):
    """The first has registered its class, and not kept it yet, when the second does both."""
    register = ResponseClassRegistry.register_response_class
    registered, may_go_on = threading.Event(), threading.Event()

    def held_up(made):
        register(made)
        if threading.current_thread() is first:
            registered.set()
            assert may_go_on.wait(10)

    def meet():
        header = MetadataRequest(version=11)
        header.with_header()
        ResponseClassRegistry.get_response_class(header.header)

    monkeypatch.setattr(ResponseClassRegistry, "register_response_class", held_up)
    first, second = threading.Thread(target=meet), threading.Thread(target=meet)
    first.start()
    until(lambda: registered.is_set() or not first.is_alive(), within_seconds=10, what="the first")
    second.start()
    second.join(10)
    may_go_on.set()
    first.join(10)
    gc.collect()

    meet()


def _missing(response):
    primary = response[None]
    return [f"{primary.name} {n}" for n in range(primary.max_version + 1) if n not in primary._VERSIONS]
