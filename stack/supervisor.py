"""The stack's parent: starts everything as soon as it can start, keeps it alive, stops it in reverse."""

import asyncio
import os
import signal
from collections.abc import Sequence

import structlog

from stack import disk, logfiles, record
from stack.keeper import Keeper, StartFailed
from stack.layout import Layout
from stack.node import Node
from stack.record import Phase, StackRecord

log = structlog.get_logger(__name__)

HOUSEKEEPING_EVERY_SECONDS = 5


class Supervisor:
    """Runs the nodes of one layout until it is told to stop, or one of them cannot be started."""

    def __init__(self, layout: Layout, nodes: Sequence[Node], only: tuple[str, ...] = ()) -> None:
        self._layout = layout
        self._only = only
        self._phase = Phase.STARTING
        self._failed: str | None = None
        self._warning: str | None = None
        self._is_recorded = False
        self._keepers = {
            node.name: Keeper(node, layout.logs / f"{node.name}.log", self._write) for node in nodes
        }

    async def run(self) -> int:
        """The exit code: 0 when stopped on request, 1 when something did not start."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._write()
        work = [asyncio.create_task(keeper.keep(self._before(keeper))) for keeper in self._keepers.values()]
        work += [asyncio.create_task(self._announce()), asyncio.create_task(self._keep_house())]
        try:
            await self._until_stopped(stop, work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await self._stop_all()
        return 1 if self._failed else 0

    async def _until_stopped(self, stop: asyncio.Event, work: list[asyncio.Task[None]]) -> None:
        stopped = asyncio.create_task(stop.wait())
        pending: set[asyncio.Task[None] | asyncio.Task[bool]] = {stopped, *work}
        try:
            while stopped in pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        except StartFailed as error:
            self._failed = error.name
        finally:
            stopped.cancel()

    def _before(self, keeper: Keeper) -> list[Keeper]:
        return [self._keepers[name] for name in keeper.node.after]

    async def _announce(self) -> None:
        for keeper in self._keepers.values():
            await keeper.ready.wait()
        self._phase = Phase.READY
        self._write()

    async def _keep_house(self) -> None:
        while True:
            try:
                self._look_at_disk()
                logfiles.rotate(self._layout.logs)
            except OSError as error:  # A full disk, or a log that was removed: no reason to stop anything.
                log.warning("housekeeping failed", error=str(error))
            if not self._is_recorded:
                self._write()
            await asyncio.sleep(HOUSEKEEPING_EVERY_SECONDS)

    def _look_at_disk(self) -> None:
        warning = disk.warning(self._layout.state)
        if warning != self._warning:
            self._warning = warning
            self._is_recorded = False
            log.warning("disk", warning=warning)

    async def _stop_all(self) -> None:
        """Each as soon as everything that waits for it has gone."""
        self._phase = Phase.STOPPING
        gone = {name: asyncio.Event() for name in self._keepers}

        async def stop(keeper: Keeper) -> None:
            for other in self._keepers.values():
                if keeper.node.name in other.node.after:
                    await gone[other.node.name].wait()
            await keeper.stop()
            gone[keeper.node.name].set()

        await asyncio.gather(*(stop(keeper) for keeper in self._keepers.values()))
        self._phase = Phase.FAILED if self._failed else Phase.STOPPED
        self._write()

    def _write(self) -> None:
        """Record what is; on a full disk that is done later, and the processes are kept all the same."""
        try:
            record.write(self._layout.state, self._record())
        except OSError as error:
            self._is_recorded = False
            log.warning("not recorded", error=str(error))
        else:
            self._is_recorded = True

    def _record(self) -> StackRecord:
        return StackRecord(
            parent=os.getpid(),
            phase=self._phase,
            port_offset=self._layout.port_offset,
            deadline_seconds=self._layout.order_deadline_seconds,
            failed=self._failed,
            warning=self._warning,
            only=self._only,
            nodes=[keeper.record() for keeper in self._keepers.values()],
        )
