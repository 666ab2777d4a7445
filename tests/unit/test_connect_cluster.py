import socket
import threading
from pathlib import Path

import pytest
from kafka.errors import KafkaError

from connect import cluster


def held():
    """What a client may leave behind: the names of its threads, and the number of open files."""
    return sorted(each.name for each in threading.enumerate()), len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def mute():
    """The address of somebody who takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("address", ["127.0.0.1:1", None], ids=["nobody there", "nothing said"])
def test_a_client_that_meets_no_broker_leaves_nothing_behind(mute, address):
    before = held()

    for _ in range(3):
        with pytest.raises(KafkaError):
            cluster.connect([address or mute], first_contact_ms=200)

    assert held() == before
