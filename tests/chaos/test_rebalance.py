"""Workers come and go while orders flow: partitions move, and nothing is handled twice in effect."""

import subprocess
from contextlib import ExitStack, contextmanager

import requests

from contracts.topics import PARTITIONS
from runtime.waiting import until
from stack.layout import ROOT
from stack.process import environment_of
from stack.topology import nodes
from tests.invariants import assert_nothing_lost_or_doubled


@contextmanager
def another(system, name, port):
    """A second process of a worker, ended by kill -9."""
    node = next(node for node in nodes(system.layout) if node.name == name)
    environment = environment_of(node) | {"HEALTH_BIND": f"127.0.0.1:{port}"}
    with (system.layout.logs / f"another-{name}.log").open("ab") as log:
        process = subprocess.Popen(node.command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait(timeout=10)


def batches(system, name):
    """How many batches the second worker has handled lately, by its own log."""
    return system.log(f"another-{name}").count("batch handled")


def test_second_workers_join_share_the_work_and_are_killed(system, free_port):
    workers = ["order-worker", "payment-worker", "inventory-worker"]
    with system.orders_flowing(per_second=15) as accepted:
        for _ in range(2):
            with ExitStack() as joined:
                for name in workers:
                    joined.enter_context(another(system, name, free_port()))
                joined.enter_context(another(system, "order-deadlines", free_port()))
                for name in workers:
                    before = batches(system, name)
                    until(
                        lambda n=name, b=before: batches(system, n) > b,
                        within_seconds=60,
                        what=f"the second {name} to get work",
                    )

    assert_nothing_lost_or_doubled(system, accepted)


def test_a_worker_more_than_there_are_partitions_is_ready_too(system, free_port):
    """It waits for one of the others to go; whoever started it is not to wait for ever."""
    ports = [free_port() for _ in range(PARTITIONS)]
    with ExitStack() as joined:
        for port in ports:
            joined.enter_context(another(system, "payment-worker", port))

        until(lambda: all(map(is_ready, ports)), within_seconds=60, what="four workers of three partitions")


def is_ready(port):
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False
