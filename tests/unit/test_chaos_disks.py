"""A small disk of its own is full when it is said to be, and is nobody else's."""

import json
import os
import subprocess
import sys

# In a process of its own, whose mounts end with it.
SCRIPT = """
import json, os, sys, psutil
from pathlib import Path
from chaos import disks
from chaos.faults import Ground
from chaos.targets import NothingToHit, Target

place = Path(sys.argv[1])
told = {"may_mount": disks.leave_others_mounts()}
if told["may_mount"]:
    with disks.small_disk(place, 4):
        (place / "own").write_text("x")
        me = Target("me", "broker", lambda: psutil.Process(os.getpid()))
        blow = disks.FULL.strike(Ground([me], tools={disks.DISKS: {"me": place}}), [me])
        try:
            (place / "more").write_bytes(b"x" * 100_000)
        except OSError as error:
            told["error"] = error.strerror
        told["is_small"] = disks.are_small({"me": place})
        told["effect"] = blow.heal(1)
        told["left"] = sorted(each.name for each in place.iterdir())
    try:
        disks.FULL.strike(Ground([me]), [me])
    except NothingToHit as error:
        told["without"] = str(error)
print(json.dumps(told))
"""


def test_a_disk_is_full_until_room_is_made(tmp_path):
    place = tmp_path / "disk"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(place)], capture_output=True, text=True, check=True, timeout=60
    )
    told = json.loads(done.stdout)

    if os.geteuid() != 0:
        assert told == {"may_mount": False}
        return
    assert told["error"] == "No space left on device"
    assert told["effect"] == {"full": ["disk"], "megabytes": 3, "ended": [], "there_again": ["me"]}
    assert told["left"] == ["more", "own"]
    assert told["is_small"]
    assert told["without"] == "it has no disk of its own"
    assert list(place.iterdir()) == [], "it was mounted for that process alone"
