"""A stack whose slots hold back very little WAL, so that one can be lost here, and whose network can be bad;
its JVMs tell of themselves.

It is of its own: what is sent again in these tests breaks the order that others rely on.
"""

from contextlib import closing
from dataclasses import replace

import pytest

from stack import launch
from stack.arena import SLOT_KEEP_MB
from stack.layout import Layout
from tests.running_system import RunningSystem
from tests.throwaway import thrown_away


@pytest.fixture(scope="module")
def system():
    with (
        launch.temporary("recovery", detour=True) as wish,
        thrown_away(replace(wish, slot_wal_keep_mb=SLOT_KEEP_MB, jmx=True)),
        closing(RunningSystem(Layout(state=wish.state, port_offset=wish.port_offset))) as running,
    ):
        yield running
