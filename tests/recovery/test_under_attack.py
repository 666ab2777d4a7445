"""Faults under load, one scenario after the other on one stack: each ends with every promise kept.

The largest size of each is for `./run chaos`; here it is as small as shows an effect.
"""

import json
import os
import subprocess
import sys

import pytest

from chaos.scenario import SMALL_DISKS
from chaos.scenarios import SCENARIOS
from stack.layout import ROOT

# Scenario, and the seconds for which orders are sent: a kind of fault or two, and what comes of it.
SHORT = {
    "broker-kill": 30,
    "connect-kill": 26,
    "postgres-kill": 14,
    "service-kill": 18,
    "lost-slot": 50,
    "broker-split": 32,
    # Last: the auditor calls what was written past the outbox phantom, for good.
    "poison": 12,
}
RATE = 8
# Without root nothing is mounted: what that says is tested with the disks.
MAY_MOUNT = os.geteuid() == 0
REST = [
    each.name for each in SCENARIOS if each.name not in SHORT and (MAY_MOUNT or SMALL_DISKS not in each.needs)
]


@pytest.fixture
def attack(tmp_path):
    """A function that attacks and answers with what was found; the attack must have been survived."""

    def run(name, *options):
        report = tmp_path / name
        command = [sys.executable, "-m", "stack", "chaos", name, "--seed", "1", "--report", report, *options]
        done = subprocess.run(
            [*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=880
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return json.loads((report / "result.json").read_text())

    return run


def assert_kept(told):
    assert told["verdict"] == "valid"
    assert {each["verdict"] for each in told["invariants"]} == {"valid"}
    assert all(each["effective"] for each in told["faults"])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SHORT)
def test_every_promise_is_kept(system, attack, name):
    assert_kept(attack(name, "--duration", SHORT[name], "--rate", RATE, "--state", system.layout.state))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", REST)
def test_every_promise_is_kept_on_a_stack_of_its_own(attack, name):
    assert_kept(attack(name))
