"""What must hold whatever happened: the checker of chaos/, asked about the system of the tests."""

from chaos.checker import check
from chaos.collect import collect
from chaos.rest import at_rest
from tests.running_system import FINAL, RunningSystem
from tests.testimony import an_operation

STRANGER = "/a-test"  # the source of records that a test wrote past the outbox


def assert_nothing_lost_or_doubled(
    system: RunningSystem, accepted: list[str], within_seconds: float = 90
) -> None:
    """Wait until everything came to rest, then check every promise. Nothing may wait for a person."""
    evidence = gathered(system, within_seconds)
    placed = [an_operation("place", told={"order_id": order_id}) for order_id in accepted]

    broken = {each.name: each.violations for each in check(evidence, placed) if each.verdict == "invalid"}

    assert broken == {}, broken
    waiting = {order.id: order.status for order in evidence.orders if order.status not in FINAL}
    assert waiting == {}, waiting


def gathered(system: RunningSystem, within_seconds: float = 90):
    """All there is to judge the system by, once it is at rest."""
    endpoints = system.endpoints(strangers=frozenset({STRANGER}))
    return collect(endpoints, at_rest(endpoints, within_seconds))
