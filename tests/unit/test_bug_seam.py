"""A seeded bug gets into the nodes that are chosen, and into no other."""

from stack import topology
from stack.layout import Layout
from tests.bugs.parent import seeded


def test_only_the_chosen_nodes_are_started_with_a_bug():
    # Given the nodes of a whole stack
    nodes = topology.nodes(Layout())

    # When one of them is to have a bug
    started = tuple(seeded(nodes, "nothing", {"order-worker"}))

    # Then that one is another, and still runs its own module
    changed = [after for before, after in zip(nodes, started, strict=True) if before != after]
    assert [node.name for node in changed] == ["order-worker"]
    assert changed[0].command[2:5] == ("tests.bugs.launch", "nothing", "order.worker")
