"""The stack's parent with a real database under it: restarts, sudden death, and what comes after."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from runtime.waiting import until
from stack import launch, ports, progress, record, status
from stack.errors import NotReady, StackError
from stack.keeper import FIRST_ATTEMPTS_MAX
from stack.layout import ROOT
from stack.record import NodeRecord, Phase, State

CONSOLE = Console(quiet=True)


@pytest.fixture
def wish(tmp_path: Path) -> Iterator[launch.Wish]:
    yield launch.Wish(tmp_path, ports.free_offset(), only=("postgres", "gateway"))
    launch.stop(tmp_path)
    launch.forget(tmp_path)


@pytest.fixture
def parent(wish: launch.Wish) -> Iterator[subprocess.Popen[bytes]]:
    process = launch.start(wish, CONSOLE, detached=False)
    progress.follow(wish.state, lambda: process.poll() is None, CONSOLE)
    yield process
    launch.end(process)


def node(wish: launch.Wish, name: str) -> NodeRecord:
    now = record.read(wish.state)
    assert now is not None
    return next(each for each in now.nodes if each.name == name)


def phase(wish: launch.Wish) -> Phase | None:
    now = record.read(wish.state)
    return now.phase if now else None


def test_a_process_that_is_killed_comes_back(wish: launch.Wish, parent: subprocess.Popen[bytes]):
    before = node(wish, "postgres")
    assert before.pid is not None

    os.kill(before.pid, signal.SIGKILL)

    until(lambda: node(wish, "postgres").state is State.RESTARTING, within_seconds=5, what="the restart")
    until(lambda: node(wish, "postgres").state is State.RUNNING, within_seconds=20, what="the database")
    after = node(wish, "postgres")
    assert after.pid != before.pid
    assert after.restarts >= 1


def test_a_process_that_lives_and_does_not_answer_is_not_well(
    wish: launch.Wish, parent: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
):
    assert status.show(wish.state, as_json=True) == status.EXIT_CODE[status.GREY], "well, and a part"
    frozen = psutil.Process(node(wish, "gateway").pid)

    frozen.suspend()
    code = status.show(wish.state, as_json=True)
    frozen.resume()

    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == status.EXIT_CODE[status.RED]
    assert {each["name"]: each["state"] for each in report["processes"]} == {
        "postgres": "running",
        "gateway": "not ready",
    }


def test_a_full_disk_stops_nothing_and_doubles_nothing(wish: launch.Wish, parent: subprocess.Popen[bytes]):
    """Stands for it: a record that cannot be written, and a log that cannot be rotated."""
    (wish.state / "state.json.new").mkdir()
    (wish.state / "logs" / "gone.log").symlink_to("nowhere")
    before = node(wish, "gateway")
    assert before.pid is not None

    os.kill(before.pid, signal.SIGKILL)

    log = wish.state / "logs" / "stack.log"
    until(lambda: "housekeeping failed" in log.read_text(), within_seconds=10, what="the housekeeping")
    (wish.state / "state.json.new").rmdir()
    until(lambda: node(wish, "gateway").pid != before.pid, within_seconds=10, what="the record")
    until(lambda: node(wish, "gateway").state is State.RUNNING, within_seconds=10, what="the gateway")
    children = psutil.Process(parent.pid).children()
    gateways = [each.pid for each in children if "payment.simulated_gateway" in each.cmdline()]
    assert gateways == [node(wish, "gateway").pid]
    assert "not recorded" in log.read_text()


def test_a_stack_on_its_way_out_is_not_taken_for_ready(wish: launch.Wish, parent: subprocess.Popen[bytes]):
    assert progress.join(wish.state, CONSOLE).phase is Phase.READY
    frozen = psutil.Process(node(wish, "gateway").pid)
    frozen.suspend()  # Its stop takes as long as it may.

    parent.terminate()
    until(lambda: phase(wish) is Phase.STOPPING, within_seconds=5, what="the stop")

    with pytest.raises(NotReady, match="being stopped"):
        progress.join(wish.state, CONSOLE)
    frozen.kill()


def test_a_part_of_a_stack_is_not_taken_for_a_whole_one(
    wish: launch.Wish, parent: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
):
    status.show(wish.state, as_json=False)
    assert "runs only what it needs" in capsys.readouterr().out
    command = [sys.executable, "-m", "stack", "up", "--state", str(wish.state)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == NotReady.exit_code
    assert "runs only what it needs" in done.stderr
    assert "Ready." not in done.stdout


def test_an_operator_is_told_in_one_line_what_is_away(wish: launch.Wish, parent: subprocess.Popen[bytes]):
    command = [sys.executable, "-m", "stack", "dead-letters", "list", "--state", str(wish.state)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == NotReady.exit_code
    assert "No such file" in done.stderr, "the roles' passwords were never made"
    assert len(done.stderr.splitlines()) == 1


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
