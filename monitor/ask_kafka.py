"""How far behind the consumers are, in offsets; by the client of the auditor, and not by their own."""

from confluent_kafka import KafkaException

from audit.topics import Cluster
from contracts.services import SERVICES
from contracts.topics import MESSAGE_TOPICS, read_by
from monitor.readings import Lag

ERRORS = (KafkaException, TimeoutError)
_PARTITIONS = {topic.name: topic.partitions for topic in MESSAGE_TOPICS}


def lag(cluster: Cluster) -> Lag:
    """For each consumer and each topic that it must see; without a position it is behind by everything."""
    positions = {service.name: cluster.positions(service.name) for service in SERVICES}
    ends = cluster.ends((topic, number) for topic, count in _PARTITIONS.items() for number in range(count))
    return {
        (consumer, topic): sum(
            max(end - reached.get(place, 0), 0) for place, end in ends.items() if place[0] == topic
        )
        for consumer, reached in positions.items()
        for topic in read_by(consumer)
    }
