"""What each process asks of its environment, as JSON: `python -m reference.asked`, with an empty environment.

Each process is begun as it is in earnest. It reads its settings, finds that some are missing, and refuses to
start; the error knows all that was asked for. So nothing is listed by hand, and nothing is started.
"""

import json
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from typing import Any

from reference.processes import PROCESSES, Process
from runtime.errors import NeverlostError, SettingsError
from stack.layout import ROOT

Asked = dict[str, Any]


class NothingRefused(NeverlostError):  # noqa: N818 - it says what happened
    """A process found all its settings in an empty environment: it would have started here."""


def asked_by(process: Process) -> Asked:
    """The settings of one process, by name."""
    found: Asked = {}
    for begin in _beginnings(process):
        try:
            begin()
        except SettingsError as error:
            found |= error.asked
        else:
            raise NothingRefused(f"{process.name} has no setting that must be set")
    return found


def _beginnings(process: Process) -> Iterator[Callable[[], object]]:
    if process.configuration:
        yield lambda: runpy.run_path(str(ROOT / process.configuration))
        yield getattr(import_module(process.module), process.function)
    else:
        yield lambda: runpy.run_module(process.module, run_name="__main__")


if __name__ == "__main__":
    told = {each.name: [asdict(setting) for setting in asked_by(each).values()] for each in PROCESSES}
    json.dump(told, sys.stdout)
