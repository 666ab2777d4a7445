"""The stack's parent with a real database under it: restarts, sudden death, and what comes after."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from runtime.waiting import until
from stack import launch, ports, record
from stack.errors import NotReady, StackError
from stack.keeper import FIRST_ATTEMPTS_MAX
from stack.record import NodeRecord, State

CONSOLE = Console(quiet=True)


@pytest.fixture
def wish(tmp_path: Path) -> Iterator[launch.Wish]:
    yield launch.Wish(tmp_path, ports.free_offset(), only=("postgres", "gateway"))
    launch.stop(tmp_path)
    launch.forget(tmp_path)


@pytest.fixture
def parent(wish: launch.Wish) -> Iterator[subprocess.Popen[bytes]]:
    process = launch.start(wish, CONSOLE, detached=False)
    launch.follow(wish, process, CONSOLE)
    yield process
    launch.end(process)


def node(wish: launch.Wish, name: str) -> NodeRecord:
    now = record.read(wish.state)
    assert now is not None
    return next(each for each in now.nodes if each.name == name)


def test_a_process_that_is_killed_comes_back(wish: launch.Wish, parent: subprocess.Popen[bytes]):
    before = node(wish, "postgres")
    assert before.pid is not None

    os.kill(before.pid, signal.SIGKILL)

    until(lambda: node(wish, "postgres").state is State.RESTARTING, within_seconds=5, what="the restart")
    until(lambda: node(wish, "postgres").state is State.RUNNING, within_seconds=20, what="the database")
    after = node(wish, "postgres")
    assert after.pid != before.pid
    assert after.restarts >= 1


def test_nothing_outlives_the_parent_and_the_next_start_just_works(
    wish: launch.Wish, parent: subprocess.Popen[bytes]
):
    children = psutil.Process(parent.pid).children(recursive=True)

    parent.kill()

    _, alive = psutil.wait_procs(children, timeout=5)
    assert children
    assert not alive
    with launch.running(wish, CONSOLE):
        assert node(wish, "postgres").state is State.RUNNING


def test_a_stack_that_is_told_to_stop_leaves_nothing(wish: launch.Wish, parent: subprocess.Popen[bytes]):
    children = psutil.Process(parent.pid).children(recursive=True)

    assert launch.stop(wish.state) is True

    _, alive = psutil.wait_procs(children, timeout=1)
    assert not alive
    assert launch.stop(wish.state) is False


def test_what_does_not_start_is_named_with_the_end_of_its_log(wish: launch.Wish):
    (wish.state / "gateway.sqlite").mkdir()

    refused = pytest.raises(StackError, match=r"gateway did not start[\s\S]*unable to open database")
    with refused as failure, launch.running(wish, CONSOLE):
        pass

    assert failure.value.exit_code == 1
    assert node(wish, "gateway").restarts == FIRST_ATTEMPTS_MAX - 1
    assert node(wish, "postgres").state is State.STOPPED


def test_a_busy_port_is_named_before_anything_starts(wish: launch.Wish, parent: subprocess.Popen[bytes]):
    other = launch.Wish(wish.state / "other", wish.port_offset)

    with pytest.raises(NotReady, match=r"busy ports: .*\(postgres\)"):
        launch.start(other, CONSOLE, detached=False)
    assert record.read(other.state) is None
