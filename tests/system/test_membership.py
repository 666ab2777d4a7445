"""A member of a consumer group joins it, however short the polls are in which it does."""

from contextlib import closing, suppress

from kafka.errors import NoOffsetForPartitionError

from contracts.services import INVENTORY
from contracts.topics import PARTITIONS, read_by
from messaging.polling import connect_consumer
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
