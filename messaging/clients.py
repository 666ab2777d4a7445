"""Kafka's clients, to be imported from here: several of one process must not make each other deaf.

kafka-python 3.0.12 makes the class of a response's version when the first such response comes, each client
in a thread of its own, and holds the class made last by a weak reference. Where two threads make it at once,
what is held may not be what is kept; once it is collected ("weakly-referenced object no longer exists"), no
response of that kind can be read in that process again. So one thread makes them all, on import, in 5 ms.
"""

from kafka import KafkaAdminClient, KafkaConsumer  # noqa: TID251 - this is the place
from kafka.protocol.api_header import ResponseClassRegistry

__all__ = ["KafkaAdminClient", "KafkaConsumer"]


def _make_every_version() -> None:
    for response in list(ResponseClassRegistry._response_class_registry.values()):  # noqa: SLF001
        for version in range(response.max_version + 1):
            response[version]


_make_every_version()
