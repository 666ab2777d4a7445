"""Faults on real processes: what they do is seen, proved and undone, whatever comes between."""

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import psutil
import pytest

from chaos.faults import Act, Ground, Pause, is_gone, is_stopped
from chaos.history import History, operations, read
from chaos.kills import Down, Kill
from chaos.nemesis import Nemesis, Package, Step
from chaos.targets import Choice, Target, by_pid_command, by_pid_file
from runtime.waiting import until

SLEEP = ["sleep", "60"]


class Kept:
    """A process of the test's own that is started again whenever it has ended, as a keeper would."""

    def __init__(self, command=SLEEP):
        self._command = command
        self.process = subprocess.Popen(command)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self):
        while not self._over.is_set():
            self.process.wait()
            if not self._over.is_set():
                self.process = subprocess.Popen(self._command)

    def find(self):
        try:
            return psutil.Process(self.process.pid) if self.process.poll() is None else None
        except psutil.NoSuchProcess:  # It ended between the two.
            return None

    def end(self):
        self._over.set()
        self.process.kill()
        self._thread.join(5)


@pytest.fixture
def kept():
    """A function that starts a kept process; all are ended after the test."""
    started = []

    def start(*command):
        started.append(Kept(list(command) or SLEEP))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture
def history(tmp_path):
    with History(tmp_path / "history.jsonl") as open_history:
        yield open_history


def faults(tmp_path):
    return operations(read(tmp_path / "history.jsonl"))


def run(history, fault, targets, *, hold=0.3, stop=None, which="all"):
    nemesis = Nemesis(Ground(targets), history, stop or threading.Event())
    nemesis.run([Step(0, (Package(fault, Choice("sleeper", which)),), hold)], seed=1)
    return nemesis


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_is_proved_by_another_pid(kept, history, tmp_path, number):
    sleepers = [kept(), kept()]
    before = [each.process.pid for each in sleepers]
    targets = [Target(f"s{n}", "sleeper", each.find) for n, each in enumerate(sleepers)]

    run(history, Kill(number), targets)

    [fault] = faults(tmp_path)
    assert fault.outcome == "ok"
    assert fault.begin.value["targets"] == ["s0", "s1"]
    pids = fault.end.value["effect"]["pids"]
    assert [pids[name][0] for name in ("s0", "s1")] == before
    assert [pids[name][1] for name in ("s0", "s1")] == [each.process.pid for each in sleepers]
    assert set(before).isdisjoint(each.process.pid for each in sleepers)


def test_a_signal_that_is_ignored_has_no_effect_and_proves_nothing(kept, history, tmp_path):
    stubborn = kept(
        sys.executable,
        "-c",
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()",
    )
    until(lambda: _ignores(stubborn.process.pid), within_seconds=10, what="the signal to be ignored")
    stop = threading.Event()
    fault = Act(
        "SIGTERM",
        lambda ground, targets: Kill(signal.SIGTERM).strike(ground, targets),
        lambda _ground, blow, _within: blow.heal(0.3),
    )

    run(history, fault, [Target("s", "sleeper", stubborn.find)], stop=stop)

    [noted] = faults(tmp_path)
    assert noted.outcome == "unknown"
    assert noted.end.value["effect"] == {}


def _ignores(pid):
    lines = [line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    ignored = next(int(words[1], 16) for words in lines if words[0] == "SigIgn:")
    return ignored & (1 << (signal.SIGTERM - 1))


def test_a_pause_stops_children_too_and_all_go_on(kept, history, tmp_path):
    shell = kept("sh", "-c", "sleep 60 & wait")
    tree = until(lambda: len(t := _tree(shell)) > 1 and t, within_seconds=5, what="the child")
    states = []
    look = Act("look", lambda *_: states.extend(map(_stops, tree)), lambda *_: {})
    steps = [Step(0, (Package(Pause(), Choice("sleeper")), Package(look, Choice("sleeper"))), 0.3)]
    nemesis = Nemesis(Ground([Target("s", "sleeper", shell.find)]), history, threading.Event())

    nemesis.run(steps, seed=1)

    pause, _ = faults(tmp_path)
    assert states == [True, True]
    assert pause.end.value["effect"]["state"] == {"s": "T"}
    assert not any(is_stopped(each) for each in tree)


def _stops(process):
    return until(partial(is_stopped, process), within_seconds=5, what="the process to stand still")


def _tree(kept_process):
    process = kept_process.find()
    return [process, *process.children(recursive=True)] if process else []


def test_what_is_paused_goes_on_when_the_run_is_interrupted(kept, history, tmp_path):
    sleeper = kept()
    stop = threading.Event()
    process = sleeper.find()
    thread = threading.Thread(
        target=run,
        args=(history, Pause(), [Target("s", "sleeper", sleeper.find)]),
        kwargs={"hold": 60, "stop": stop},
    )

    thread.start()
    until(lambda: is_stopped(process), within_seconds=5, what="the pause")
    stop.set()
    thread.join(5)

    assert not thread.is_alive()
    assert not is_stopped(process)
    assert faults(tmp_path)[0].outcome == "ok"


def test_what_is_paused_goes_on_when_another_fault_breaks_down(kept, history, tmp_path):
    sleeper = kept()
    process = sleeper.find()

    def fail(*_arguments):
        raise RuntimeError("no undoing")

    steps = [
        Step(
            0,
            (
                Package(Pause(), Choice("sleeper")),
                Package(Act("broken", lambda *_: None, fail), Choice("sleeper")),
                Package(Act("not made", fail, fail), Choice("sleeper")),
            ),
            0.1,
        )
    ]
    nemesis = Nemesis(Ground([Target("s", "sleeper", sleeper.find)]), history, threading.Event())

    nemesis.run(steps, seed=1)

    assert not is_stopped(process)
    outcomes = {each.begin.value["fault"]: (each.outcome, each.end.error) for each in faults(tmp_path)}
    assert outcomes["pause"] == ("ok", None)
    assert outcomes["broken"] == ("unknown", "RuntimeError: no undoing")
    assert outcomes["not made"] == ("unknown", "RuntimeError: no undoing")


def test_who_is_kept_down_is_killed_whenever_it_comes_back(kept):
    sleeper = kept()
    target = Target("s", "sleeper", sleeper.find)
    first = sleeper.find()

    blow = Down().strike(Ground([target]), [target])
    until(lambda: sleeper.find() not in {None, first}, within_seconds=20, what="it to be started again")
    second = sleeper.find()
    blow.look()
    until(lambda: is_gone(second), within_seconds=20, what="it to be killed again")
    effect = blow.heal(20)

    assert effect["ended"] == ["s"]
    assert effect["killed_again"] == 1
    assert effect["down_seconds"] > 0
    assert sleeper.find() not in {None, first, second}


def test_whom_nobody_finds_is_noted_as_unknown(history, tmp_path):
    nemesis = run(history, Kill(), [Target("s", "sleeper", lambda: None)])

    [fault] = faults(tmp_path)
    assert (fault.outcome, fault.end.error) == ("unknown", "NothingToHit: none of them runs")
    assert (nemesis.faults, nemesis.seen) == (1, 0)


def test_no_step_begins_after_enough(history, tmp_path):
    steps = [Step(0, (Package(Kill(), Choice("sleeper")),), 0)] * 3

    Nemesis(Ground([]), history, threading.Event()).run(steps, seed=1, enough=lambda: True)

    assert faults(tmp_path) == []


def test_a_pid_file_that_is_older_than_its_process_leads_to_nobody(kept, tmp_path):
    sleeper, path = kept(), tmp_path / "pid"
    path.write_text(str(sleeper.process.pid))
    fresh = by_pid_file(path)
    born = psutil.Process(sleeper.process.pid).create_time()

    os.utime(path, (born - 60, born - 60))

    assert fresh == sleeper.find()
    assert by_pid_file(path) is None
    assert by_pid_file(tmp_path / "none") is None


def test_a_pid_command_leads_to_the_process_that_it_names(kept):
    sleeper = kept()

    assert by_pid_command(["echo", str(sleeper.process.pid)]) == sleeper.find()
    assert by_pid_command(["true"]) is None


def test_a_process_that_has_ended_is_gone_even_before_it_is_waited_for():
    process = subprocess.Popen(SLEEP)
    seen = psutil.Process(process.pid)

    process.kill()

    until(partial(is_gone, seen), within_seconds=5, what="its end")
    process.wait()
    assert is_gone(seen)


FREEZER = """
import signal, sys, psutil
from chaos.guard import Guard
process = psutil.Process(int(sys.argv[1]))
with Guard() as guard:
    guard.watch([process])
    process.send_signal(signal.SIGSTOP)
    signal.pause()
"""


def test_what_is_paused_goes_on_when_the_run_is_killed(kept):
    process = kept().find()
    freezer = subprocess.Popen([sys.executable, "-c", FREEZER, str(process.pid)])
    until(partial(is_stopped, process), within_seconds=10, what="the pause")

    freezer.kill()
    freezer.wait()

    until(lambda: not is_stopped(process), within_seconds=10, what="the process to go on")
