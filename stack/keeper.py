"""The life of one node: wait for what it needs, start, become ready, start again whenever it ends."""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from runtime.waiting import Backoff
from stack.errors import StackError
from stack.node import Kind, Node
from stack.probes import is_ready
from stack.process import ChildProcess
from stack.record import NodeRecord, State

log = structlog.get_logger(__name__)

PROBE_EVERY_SECONDS = 0.1
# A node that never was ready is given up; one that was is started again for as long as the stack runs.
FIRST_ATTEMPTS_MAX = 3
# After this long a death is a new accident, not the last one again.
STEADY_SECONDS = 30.0
NOT_STARTED = 127
PAUSES = Backoff(attempts=1_000_000, first_seconds=0.2, most_seconds=10.0)


class StartFailed(StackError):  # noqa: N818 - it says what happened
    """A node ended, again and again, before it was ready once."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} did not start")
        self.name = name


def failures_in_a_row(before: int, lasted_seconds: float, *, was_ready: bool) -> int:
    """How many deaths count as one series, after a run that lasted so long.

    A run that never became ready belongs to the series, however slowly it failed.
    """
    return 1 if was_ready and lasted_seconds >= STEADY_SECONDS else before + 1


def pause(node: Node, failures: int) -> float:
    """Seconds until the next start, after so many deaths in a row."""
    return max(node.rest_seconds, PAUSES.pause(failures - 1))


class Keeper:
    """Keeps one node alive."""

    def __init__(self, node: Node, log_file: Path, changed: Callable[[], None]) -> None:
        self.node = node
        self.ready = asyncio.Event()
        self.state = State.WAITING
        self._log_file = log_file
        self._changed = changed
        self._process: ChildProcess | None = None
        self._restarts = 0
        self._created = time.monotonic()
        self._ready_after: float | None = None

    async def keep(self, before: Iterable["Keeper"]) -> None:
        """Return when a job is done; otherwise run until cancelled. Raises StartFailed."""
        for keeper in before:
            await keeper.ready.wait()
        failures = 0
        while True:
            began = time.monotonic()
            code = await self._run_once()
            if self.node.kind is Kind.JOB and code == 0:
                return self._is_ready(State.DONE)
            failures = failures_in_a_row(
                failures, time.monotonic() - began, was_ready=self.state is State.RUNNING
            )
            log.warning("process ended", node=self.node.name, code=code, failures=failures)
            if failures >= FIRST_ATTEMPTS_MAX and not self.ready.is_set():
                self._tell(State.FAILED)
                raise StartFailed(self.node.name)
            self._restarts += 1
            self._tell(State.RESTARTING)
            await asyncio.sleep(pause(self.node, failures))

    async def stop(self) -> None:
        if self._process and self.state not in {State.DONE, State.FAILED}:
            self._tell(State.STOPPING)
            await self._process.stop()
        self._process = None
        if self.state is not State.FAILED:
            self._tell(State.STOPPED)

    def record(self) -> NodeRecord:
        return NodeRecord(
            name=self.node.name,
            kind=self.node.kind,
            state=self.state,
            pid=self._process.pid if self._process else None,
            address=self.node.address,
            restarts=self._restarts,
            seconds=self._ready_after,
        )

    async def _run_once(self) -> int:
        """Start it, say when it is ready, and return its exit code when it has ended."""
        self.state = State.RESTARTING if self._restarts else State.STARTING
        try:
            process = self._process = await ChildProcess.start(self.node, self._log_file)
        except OSError as error:  # A program or a secret that it needs is not there.
            log.exception("process not started", node=self.node.name, error=str(error))
            return NOT_STARTED
        self._tell(self.state)
        ended = asyncio.create_task(process.ended())
        probing = asyncio.create_task(self._until_ready())
        try:
            await asyncio.wait(
                {ended, probing}, timeout=self.node.ready_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if not ended.done() and not probing.done():
                log.warning("not ready in time", node=self.node.name, seconds=self.node.ready_seconds)
                await process.stop()
            code = await ended
        finally:
            probing.cancel()
            ended.cancel()
        self._process = None
        return code

    async def _until_ready(self) -> None:
        if self.node.kind is Kind.JOB:
            await asyncio.Event().wait()
        while True:
            if await is_ready(self.node):
                return self._is_ready(State.RUNNING)
            await asyncio.sleep(PROBE_EVERY_SECONDS)

    def _is_ready(self, state: State) -> None:
        self._ready_after = self._ready_after or time.monotonic() - self._created
        self.ready.set()
        self._tell(state)

    def _tell(self, state: State) -> None:
        self.state = state
        self._changed()
