"""One child process: started on a leash, with a log of its own, and ended with everything it started."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from runtime.environment import Environment
from stack.layout import ROOT
from stack.leash import leashed
from stack.node import Node


def environment_of(node: Node) -> dict[str, str]:
    """What a child sees: its own settings, and little else, so that no two starts differ."""
    ours = Environment()
    return {
        "PATH": ours.text("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "HOME": ours.text("HOME", "/"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        **node.environment,
        **_secrets(node.secrets),
    }


def _secrets(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: path.read_text().strip() for name, path in files.items()}


class ChildProcess:
    """A running node."""

    def __init__(self, node: Node, process: asyncio.subprocess.Process) -> None:
        self._node = node
        self._process = process

    @classmethod
    async def start(cls, node: Node, log: Path) -> Self:
        """Start it in a session of its own; it writes to the log itself, so no one can block it."""
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *leashed(node.command, account=node.account, orphan_signal=node.orphan_signal),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment_of(node),
                cwd=node.folder or ROOT,
                start_new_session=True,
            )
        return cls(node, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> int:
        """Its exit code, once it has ended; what it left behind in its group is ended too."""
        code = await self._process.wait()
        self._kill_group()
        return code

    async def stop(self) -> None:
        """Ask it to end, and end it when it does not within its bound."""
        with suppress(ProcessLookupError):
            self._process.send_signal(self._node.stop_signal)
        try:
            await asyncio.wait_for(self._process.wait(), self._node.stop_seconds)
        except TimeoutError:
            self._kill_group()
            await self._process.wait()
        self._kill_group()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
