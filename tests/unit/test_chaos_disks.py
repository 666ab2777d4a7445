"""A small disk of its own is full when it is said to be, and is nobody else's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stack.layout import ROOT

BEGIN = """
import json, os, sys, psutil
from pathlib import Path
from chaos import disks
from chaos.faults import Ground
from chaos.targets import NothingToHit, Target

place = Path(sys.argv[1])
told = {"may_mount": disks.leave_others_mounts()}
"""
FILL = """
me = Target("me", "broker", lambda: psutil.Process(os.getpid()))

def fill(write):
    disk = disks.Disk(place, place / "logs" / "me.log")
    blow = disks.FULL.strike(Ground([me], tools={disks.DISKS: {"me": disk}}), [me])
    write()
    return blow.heal(1)

def write_and_tell():
    try:
        (place / "more").write_bytes(b"x" * 100_000)
    except OSError as error:
        (place / "logs" / "me.log").write_text(f"{error}\\n")

if told["may_mount"]:
    with disks.small_disk(place, 4, but=place / "logs"):
        (place / "own").write_bytes(b"x" * 5000)
        told["size"] = disks.Disk(place, place).free
        told["is_small"] = disks.are_small([disks.Disk(place, place)])
        told["unnoticed"] = fill(lambda: None)
        told["noticed"] = fill(write_and_tell)
        told["size_again"] = disks.Disk(place, place).free
        told["own"] = (place / "own").stat().st_size
    try:
        disks.FULL.strike(Ground([me]), [me])
    except NothingToHit as error:
        told["without"] = str(error)
print(json.dumps(told))
"""
WAIT = """
if told["may_mount"]:
    with disks.small_disk(place, 4):
        print(json.dumps(told), flush=True)
        sys.stdin.read()
else:
    print(json.dumps(told), flush=True)
"""
IS_ROOT = os.geteuid() == 0
# Root without its rights, as in a container.
POWERLESS = ["setpriv", "--bounding-set=-sys_admin"] if IS_ROOT else []


@pytest.fixture
def start(tmp_path):
    """A function that runs a script at a folder, in a process of its own, whose mounts end with it."""

    def start(script, *before):
        command = [*before, sys.executable, "-c", BEGIN + script, str(tmp_path / "disk")]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1], json.loads(started[-1].stdout.readline())

    started = []
    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_disk_is_full_until_room_is_made(tmp_path, start):
    """It counts when its process has met it; what was there stays, and the log has room all the while."""
    _, told = start(FILL)

    if not IS_ROOT:
        assert told == {"may_mount": False}
        return
    assert told["is_small"]
    assert told["unnoticed"] == {}
    assert told["noticed"] == {
        "me": {"no_room_told": 1, "ended": False},
        "bytes_left": {"me": 0},
        "there_again": ["me"],
    }
    assert told["size"] == told["size_again"]
    assert told["own"] == 5000
    assert told["without"] == "it has no disk of its own"
    assert [path.name for path in tmp_path.rglob("*")] == ["disk", "logs", "me.log"], "only the log was left"


def test_who_may_not_mount_is_told_so_as_root_too(start):
    _, told = start(FILL, *POWERLESS)

    assert told == {"may_mount": False}


def test_a_run_that_may_not_mount_is_unknown_before_anything_is_started(tmp_path):
    command = [sys.executable, "-m", "stack", "chaos", "disk-full", "--report", str(tmp_path / "report")]
    done = subprocess.run(
        [*POWERLESS, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith("unknown: needs root")
    assert list(tmp_path.iterdir()) == []


def test_a_mount_goes_with_its_process_however_it_ends(tmp_path, start):
    process, told = start(WAIT)
    if not told["may_mount"]:
        return
    mounts = Path(f"/proc/{process.pid}/mounts")
    assert str(tmp_path / "disk") in mounts.read_text()
    assert str(tmp_path / "disk") not in Path("/proc/self/mounts").read_text()

    process.kill()
    process.wait()

    assert not any(str(tmp_path) in text for text in _all_mounts())
    (tmp_path / "disk").rmdir()


def _all_mounts():
    for each in psutil.pids():
        try:
            yield Path(f"/proc/{each}/mounts").read_text()
        except OSError:
            continue
