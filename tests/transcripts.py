"""Consoles in documents: what a reader types, and what is shown to come back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What is another each time: ids, times, and numbers.
_VARIES = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"\b[0-9a-f]{32}\b", "TRACE"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z?", "TIME"),
    (r"\d\d:\d\d:\d\d\.\d+", "TIME"),
    (r"\d[\d,.]*", "N"),
    (r"\s+", " "),
)
# Which of two answers comes first is another each time too, and with it the saga's state.
_STATES = re.compile(r"^(TIME (?:reply|event|ignored) .*?)(RUNNING|COMPENSATING|COMPLETED|COMPENSATED)")


@dataclass(frozen=True)
class Step:
    """A command, and the lines that it is shown to answer; `…` stands for lines that are left out."""

    command: str
    shown: tuple[str, ...]


def steps(path: Path) -> Iterator[Step]:
    for block in _BLOCK.findall(path.read_text()):
        command, shown = "", []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield Step(command, tuple(shown))
                command, shown = line.removeprefix("$ "), []
            elif line.startswith("> "):
                command += "\n" + line.removeprefix("> ")
            elif line.strip() not in {"", "…"}:
                shown.append(line)
        yield Step(command, tuple(shown))


def alike(line: str) -> str:
    """The line without what is another each time."""
    for pattern, word in _VARIES:
        line = re.sub(pattern, word, line)
    return _STATES.sub(r"\1STATE", line.strip())


def missing(step: Step, output: str) -> list[str]:
    """The lines that are shown and did not come."""
    came = [alike(line) for line in output.splitlines()]
    lacking = []
    for line in step.shown:
        if alike(line) in came:
            came.remove(alike(line))
        else:
            lacking.append(line)
    return lacking
