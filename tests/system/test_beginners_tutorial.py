"""What docs/tutorial.md tells a beginner to type works, and answers what is shown there.

It is the first to use the system, as a beginner is.
"""

import re
import subprocess
import sys

from runtime.environment import Environment
from stack.layout import ROOT
from stack.ports import PORTS
from tests.transcripts import Step, alike, missing, steps

TUTORIAL = ROOT / "docs" / "tutorial.md"
# They start or stop a system; the tests have one already.
ELSEWHERE = ("./run up", "./run down", "./run chaos")
SECONDS_MAX = 300


def here(command, system):
    """The command, meant for the system of the tests."""
    ours = f"'{sys.executable}' -P -m stack"
    state = f"--state '{system.layout.state}'"
    command = re.sub(r"\./run ([^|)\n]*)", rf"{ours} \1 {state} ", command)
    for name in ("order", "payment", "inventory"):
        command = command.replace(f"127.0.0.1:{PORTS[name]}", system.layout.address(name))
    return command


def in_one_shell(commands):
    """Run them one after the other, as somebody would; (output, exit code) of each."""
    script = "\n".join(f"{{ {each}\n}} 2>&1; code=$?; echo; echo @@@ $code" for each in commands)
    ours = Environment()
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={"PATH": ours.text("PATH"), "HOME": ours.text("HOME"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    *parts, rest = re.split(r"@@@ (\d+)\n", done.stdout)
    assert rest == "", done.stdout + done.stderr
    return list(zip(parts[::2], map(int, parts[1::2]), strict=True))


def test_what_a_beginner_types_works(system):
    told = [step for step in steps(TUTORIAL) if not step.command.startswith(ELSEWHERE)]

    done = in_one_shell([here(step.command, system) for step in told])

    assert len(done) == len(told) > 8
    for step, (output, code) in zip(told, done, strict=True):
        assert code == 0, f"{step.command}\n{output}"
        assert missing(step, output) == [], f"{step.command}\n{output}"


def test_a_line_that_did_not_come_is_noticed():
    shown = Step("date", ("at 11:22:33.5 3 of ID", "and this"))

    assert missing(shown, "at 01:02:03.4 17 of ID\n") == ["and this"]
    assert missing(shown, "and this\nat 01:02:03.4 17 of ID\n") == []
    assert alike("order 01a21864-52c9-7af6-a0ab-dcc4a48a6cdb  is  12") == "order ID is N"
