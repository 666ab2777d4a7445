"""Kafka's clients, to be imported from here: several of one process must not make each other deaf.

kafka-python 3.0.12 makes what reads a response's version when the first such response comes, each client in a
thread of its own. Two threads that do so at once can leave what no thread can use ever again:

- A class of a version is registered by a weak reference, and kept by another; the one that is registered last
  may not be the one that is kept ("weakly-referenced object no longer exists").
- While its code is made, a response's weak reference to its class is exchanged for the class, and put back;
  the code of another version may get the reference ("not a type object").

So one thread makes all these classes, on import, in 5 ms, and each response gets its class for good.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer  # noqa: TID251 - this is the place
from kafka.net.compat import KafkaNetClient
from kafka.protocol.api_header import ResponseClassRegistry

__all__ = ["KafkaAdminClient", "KafkaConsumer", "connected"]

Client = TypeVar("Client", KafkaAdminClient, KafkaConsumer)


def connected(kind: type[Client], servers: Sequence[str], **settings: Any) -> Client:
    """A client that has met a broker. Raises KafkaError where none answers in time, and leaves nothing.

    kafka-python 3.0.12 closes nothing then: in a process that asks again and again threads and sockets would
    add up, until no file can be opened any more.
    """
    made: list[KafkaNetClient] = []

    def make(**its: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**its))
        return made[0]

    try:
        return kind(bootstrap_servers=list(servers), kafka_client=make, **settings)
    except BaseException:
        for each in made:
            each.close()
        raise


def _prepare() -> None:
    for response in list(ResponseClassRegistry._response_class_registry.values()):  # noqa: SLF001
        primary = response[None]
        primary._struct._data_class = primary  # noqa: SLF001 - there is a setter, for the first time only
        for version in range(primary.max_version + 1):
            primary[version]


_prepare()
