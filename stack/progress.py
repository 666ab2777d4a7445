"""A start as a person follows it: what has become ready, what it waits for, and why it failed."""

import threading
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from stack import logfiles, record
from stack.errors import NotReady, StackError
from stack.record import Phase, StackRecord, State

START_SECONDS_MAX = 300
TAIL_LINES = 15
# A stack does not come back from these.
LEAVING = {Phase.STOPPING, Phase.STOPPED, Phase.FAILED}


def follow(state: Path, is_alive: Callable[[], bool], console: Console) -> StackRecord:
    """Tell each node that becomes ready; return when all are. Raises StackError when one is not."""
    told: set[str] = set()
    pause = threading.Event()
    with console.status("starting ...") as status:
        for _ in range(START_SECONDS_MAX * 10):
            ended = not is_alive()
            now = record.read(state)
            if now:
                told |= _tell(now, told, console)
                status.update("starting " + ", ".join(_names(now, State.STARTING, State.RESTARTING)))
            if now and now.phase is Phase.READY:
                return now
            if ended:
                raise StackError(_explain(state, now))
            pause.wait(0.1)
    raise StackError(
        f"the stack was not ready within {START_SECONDS_MAX} s; ./run status tells what is missing"
    )


def join(state: Path, console: Console) -> StackRecord:
    """Follow a stack that another call has started. Raises StackError when it is on its way out."""
    now = record.read_running(state)
    if now and now.phase in LEAVING:
        raise NotReady("the stack is being stopped: try again when ./run status says that nothing runs")
    return follow(state, lambda: record.running_parent(state) is not None, console)


def _names(now: StackRecord, *states: State) -> list[str]:
    return [node.name for node in now.nodes if node.state in states]


def _tell(now: StackRecord, told: set[str], console: Console) -> set[str]:
    fresh = [node for node in now.nodes if node.seconds is not None and node.name not in told]
    for node in sorted(fresh, key=lambda node: node.seconds or 0):
        console.print(f"{node.seconds:6.1f} s  {node.name:20} {node.state} {node.address or ''}".rstrip())
    return {node.name for node in fresh}


def _explain(state: Path, now: StackRecord | None) -> str:
    name = now.failed if now and now.failed else "stack"
    lines = logfiles.tail(state / "logs" / f"{name}.log", TAIL_LINES)
    return "\n".join([f"{name} did not start; the last lines of its log:", *lines])
