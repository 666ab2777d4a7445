"""Fixtures that several kinds of tests share."""

import random
import socket
from contextlib import closing

import pytest
from kafka.net.inet import KafkaNetSocket
from rich.console import Console

from runtime.environment import Environment
from runtime.logs import configure
from stack import launch
from stack.layout import Layout
from tests.running_system import RunningSystem

# How long orders of the whole system wait for an answer here, that tests may see a deadline pass.
DEADLINE_SECONDS = 20
PORTS = range(23000, 32000)  # below the range the kernel hands out itself
SIDE_BY_SIDE_MAX = 8
SEED = Environment().whole("SIMULATION_SEED", random.randrange(10**9))  # noqa: S311 - no secret


def pytest_report_header():
    return f"simulation: SIMULATION_SEED={SEED} repeats this run's worlds"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Who tests beside others is told the seed of the run, and draws none."""
    node.workerinput["seed"] = SEED


@pytest.fixture(scope="session")
def simulation_seed(request):
    return getattr(request.config, "workerinput", {}).get("seed", SEED)


@pytest.fixture(scope="session")
def free_port(worker_id):
    """A function that finds a port nobody listens on, another each time, and another than those beside it."""
    nth = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
    ports = iter(PORTS[nth % SIDE_BY_SIDE_MAX :: SIDE_BY_SIDE_MAX])

    def find() -> int:
        for port in ports:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return port
        raise AssertionError(f"no free port is left between {PORTS[0]} and {PORTS[-1]}")

    return find


@pytest.fixture(scope="session", autouse=True)
def _kafka_closes_its_sockets():
    """kafka-python 3.0.12, closed while it connects, leaves that to the collector; here it is an error."""
    connect = KafkaNetSocket.sock_connect

    async def closing_connect(self, net, sock, *where, **bounds):
        try:
            return await connect(self, net, sock, *where, **bounds)
        except BaseException:
            sock.close()
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KafkaNetSocket, "sock_connect", closing_connect)
        yield


@pytest.fixture
def logged(caplog):
    """A function that gives what was logged, one dictionary a line."""
    configure("test")
    return lambda: [record.msg for record in caplog.records if isinstance(record.msg, dict)]


@pytest.fixture(scope="session")
def system():
    """One whole system for all tests that need one, with ports and a folder of its own."""
    with (
        launch.temporary("test", deadline_seconds=DEADLINE_SECONDS) as wish,
        launch.running(wish, Console()),
        closing(RunningSystem(Layout(state=wish.state, port_offset=wish.port_offset))) as running,
    ):
        yield running
