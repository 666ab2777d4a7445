"""A member of a consumer group joins it, however short the polls are in which it does."""

import threading
from contextlib import closing, contextmanager, suppress
from types import SimpleNamespace

from kafka.errors import NoOffsetForPartitionError
from kafka.structs import MemberState

from contracts.services import INVENTORY
from contracts.topics import PARTITIONS, read_by
from messaging import polling
from messaging.polling import MessageWorker, connect_consumer
from runtime.waiting import until

# A join takes some 10 to 50 ms: some of these end between its request and its answer.
MILLISECONDS = range(1, 60, 2)
TOPICS = read_by(INVENTORY.name)


def test_a_join_that_outlasts_its_poll_is_gone_on_with(system):
    """It joins once without knowing the topics' partitions, and again as soon as it does."""
    for milliseconds in MILLISECONDS:
        group = f"a test of {milliseconds} ms"
        with closing(connect_consumer(system.layout.bootstrap_servers.split(","), group, TOPICS)) as member:

            def joined(member=member, milliseconds=milliseconds):
                with suppress(NoOffsetForPartitionError):  # a new group has no position
                    member.poll(timeout_ms=milliseconds)
                return len(member.assignment()) == PARTITIONS * len(TOPICS)

            until(joined, within_seconds=10, every_seconds=0, what=f"{group} to have its partitions")


@contextmanager
def polls(worker, stop):
    """A worker's loop, in a thread of its own."""
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def test_a_worker_whose_topics_are_missing_is_no_spare(system, monkeypatch):
    """Its group settles all the same, and has nothing to share out."""
    monkeypatch.setattr(polling, "SPARE_SECONDS", 0.0)
    consumer = connect_consumer(system.layout.bootstrap_servers.split(","), "a test of no topic", ["no-such"])
    states, stop = [], threading.Event()
    # Called before each poll; the thread alone may ask its consumer.
    keeper = SimpleNamespace(keep=lambda: states.append(consumer.group_metadata().state))
    worker = MessageWorker(consumer, SimpleNamespace(), keeper, stop)

    with polls(worker, stop):
        until(lambda: states.count(MemberState.STABLE) > 3, within_seconds=20, what="a settled group")

        assert worker.problems() == {"group": "it has not been taken in yet"}
