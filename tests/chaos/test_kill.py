"""kill -9 of any single process while orders flow: it comes back, and nothing is lost or doubled."""

from runtime.waiting import until
from tests.invariants import assert_nothing_lost_or_doubled

PROCESSES = [
    "gateway",
    "order",
    "payment",
    "inventory",
    "order-worker",
    "order-deadlines",
    "payment-worker",
    "payment-executor",
    "inventory-worker",
    "connect-supervisor",
    "connect-1",
    "connect-2",
    "postgres",
]


def test_a_broker_is_killed(system):
    """The one that leads Kafka's transactions for a relay is as good as any: each in turn."""
    with system.orders_flowing() as accepted:
        for broker in system.names("broker"):
            before = len(accepted)
            pid = system.kill(broker)
            system.wait_until_back(broker, pid)
            until(lambda n=before: len(accepted) > n + 20, within_seconds=30, what="orders to be accepted")

    assert_nothing_lost_or_doubled(system, accepted)


def test_every_other_process_is_named_here(system):
    """A new process must be added to the list below, or it would go untested."""
    kinds = ("gateway", "api", "worker", "supervisor", "connect", "database")

    assert sorted(system.names(*kinds)) == sorted(PROCESSES)


def test_every_other_process_is_killed_in_turn(system):
    with system.orders_flowing() as accepted:
        for name in PROCESSES:
            before = len(accepted)
            until(
                lambda n=before: len(accepted) > n + 5, within_seconds=30, what=f"orders before {name} ends"
            )
            pid = system.kill(name)
            system.wait_until_back(name, pid)
            before = len(accepted)
            until(lambda n=before: len(accepted) > n + 5, within_seconds=30, what=f"orders after {name}")

    assert_nothing_lost_or_doubled(system, accepted)
