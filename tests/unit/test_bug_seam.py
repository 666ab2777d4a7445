"""Seeded bugs get into the nodes that are chosen, and into no other; there is one for each invariant."""

import os
import subprocess
import sys
from itertools import chain

import pytest

from chaos.checker import check
from chaos.evidence import Evidence
from stack import topology
from stack.layout import ROOT, Layout
from tests.bugs.catalogue import BUGS, CONTROLS
from tests.bugs.parent import seeded

EACH_IN_A_CHILD = """
import os, sys
from tests.bugs import launch
for bug in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        launch.seed(bug)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{bug} could not be seeded")
"""


def test_only_the_chosen_nodes_are_started_with_a_bug():
    # Given the nodes of a whole stack
    nodes = topology.nodes(Layout())

    # When one of them is to have a bug
    started = tuple(seeded(nodes, "nothing", {"order-worker"}))

    # Then that one is another, and still runs its own module
    changed = [after for before, after in zip(nodes, started, strict=True) if before != after]
    assert [node.name for node in changed] == ["order-worker"]
    assert changed[0].command[2:5] == ("tests.bugs.launch", "nothing", "order.worker")


def test_what_bugs_change_is_there_to_be_changed():
    """A product that was rewritten must not leave bugs behind that change nothing."""
    names = [name for name, bug in (BUGS | CONTROLS).items() if bug.nodes]
    moments = {bug.moment for bug in BUGS.values()}

    done = subprocess.run(
        [sys.executable, "-c", EACH_IN_A_CHILD, *names, *moments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # noqa: TID251 - handed on, not read
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("invariant", [each.name.split()[0] for each in check(Evidence(), ())])
def test_every_invariant_must_find_a_bug(invariant):
    assert invariant in set(chain.from_iterable(bug.found_by for bug in BUGS.values()))
