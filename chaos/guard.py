"""Lets frozen processes go on when whoever froze them is gone, however it went.

`python -m chaos.guard` reads a pid and its start time a line, and waits for the end of its input: the kernel
closes the pipe of a process that was killed, too.
"""

import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

END_SECONDS_MAX = 10


class Guard:
    """A process that outlives us for as long as it takes to undo what we cannot undo any more."""

    def __init__(self) -> None:
        # A session of its own: Ctrl-C is for us, and it is needed most just then.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.guard"], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._process.communicate(timeout=END_SECONDS_MAX)

    def watch(self, processes: Iterable[psutil.Process]) -> None:
        """From now on they go on when we are gone. Called before they are frozen."""
        if self._process.stdin:
            lines = [f"{each.pid} {each.create_time()}\n" for each in processes if each.is_running()]
            self._process.stdin.write("".join(lines))
            self._process.stdin.flush()


def main() -> None:
    # Whoever is asked to end with the others has still to wait for the end of its input.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    frozen = {line.strip() for line in sys.stdin}
    for pid, start in (line.split() for line in frozen):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if process.create_time() == float(start):
                process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    main()
