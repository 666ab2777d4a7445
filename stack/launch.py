"""From nothing to a running stack and back: fetch what is missing, start the parent, follow it."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from connect import jars
from runtime.waiting import until
from stack import class_archive, credentials, disk, java, logfiles, ports, postgres_home, record
from stack.errors import NotReady, StackError
from stack.layout import DEFAULT_STATE, ROOT, Layout, cache_folder
from stack.leash import leashed
from stack.record import Phase, StackRecord, State

START_SECONDS_MAX = 300
STOP_SECONDS_MAX = 60
PORTS_FREE_SECONDS_MAX = 6
TAIL_LINES = 15
# What `reset` forgets; other folders under the state folder are other stacks'.
DATA = ("kafka", "logs", "secrets", "gateway.sqlite*", "postgres.*", "state.json*")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller wants to have running."""

    state: Path
    port_offset: int = 0
    failure_rate: float = 0.0
    only: tuple[str, ...] = ()

    def layout(self, find_java: Callable[[], str]) -> Layout:
        cache, program = cache_folder(), find_java()
        return Layout(
            state=self.state,
            cache=cache,
            port_offset=self.port_offset,
            java=program,
            jvm_flags=class_archive.flags(program, cache),
            postgres=postgres_home.find_home(self.state),
            slot_wal_keep_mb=disk.slot_wal_keep_mb(disk.free_mb(self.state)),
            payment_failure_rate=self.failure_rate,
            stock_failure_rate=self.failure_rate,
        )

    def parent_command(self) -> list[str]:
        options = ["--state", str(self.state), "--port-offset", str(self.port_offset)]
        options += ["--failures", str(self.failure_rate)]
        options += [part for name in self.only for part in ("--only", name)]
        return [sys.executable, "-P", "-m", "stack", "supervise", *options]


def prepare(wish: Wish, console: Console) -> None:
    """Fetch what is missing and look for what would fail later. Raises NotReady."""
    wish.state.mkdir(parents=True, exist_ok=True)
    disk.check(wish.state)
    _check_ports(wish)
    java.find_or_install(console.print)
    fetch_jars(console)
    credentials.make(wish.state / "secrets")
    (wish.state / "logs").mkdir(exist_ok=True)


def fetch_jars(console: Console) -> None:
    columns = (
        TextColumn("Fetching jars"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, visible=False)
        jars.fetch(
            cache_folder(),
            lambda done, total, name: progress.update(
                task, completed=done, total=total, description=name, visible=True
            ),
        )


def start(wish: Wish, console: Console, *, detached: bool) -> subprocess.Popen[bytes]:
    """Start the parent; unless detached, it ends with this process."""
    prepare(wish, console)
    command = wish.parent_command()
    if not detached:
        command = leashed(command, orphan_signal=signal.SIGTERM)
    (wish.state / "state.json").unlink(missing_ok=True)
    with (wish.state / "logs" / "stack.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=_parent_environment(),
            start_new_session=True,
        )


def follow(wish: Wish, parent: subprocess.Popen[bytes], console: Console) -> StackRecord:
    """Tell each node that becomes ready; return when all are. Raises StackError when one is not."""
    told: set[str] = set()
    pause = threading.Event()
    with console.status("starting ...") as status:
        for _ in range(START_SECONDS_MAX * 10):
            ended = parent.poll() is not None
            now = record.read(wish.state)
            if now:
                told |= _tell(now, told, console)
                status.update("starting " + ", ".join(_names(now, State.STARTING, State.RESTARTING)))
            if now and now.phase is Phase.READY:
                return now
            if ended:
                raise StackError(_explain(wish, now))
            pause.wait(0.1)
    raise StackError(
        f"the stack was not ready within {START_SECONDS_MAX} s; ./run status tells what is missing"
    )


@contextmanager
def running(wish: Wish, console: Console) -> Iterator[StackRecord]:
    """A ready stack for the length of a `with`; whatever happens inside, nothing of it is left."""
    parent = start(wish, console, detached=False)
    try:
        yield follow(wish, parent, console)
    finally:
        end(parent)


def end(parent: subprocess.Popen[bytes]) -> None:
    """End a parent that this process has started, however far it has come."""
    parent.terminate()
    try:
        parent.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        parent.kill()
        parent.wait()


@contextmanager
def temporary(name: str, failure_rate: float = 0.0) -> Iterator[Wish]:
    """A folder and ports of its own, for a stack beside others; the folder stays when something failed."""
    DEFAULT_STATE.mkdir(exist_ok=True)
    state = Path(mkdtemp(prefix=f"{name}-", dir=DEFAULT_STATE))
    state.chmod(0o755)  # The database's account has to pass through.
    try:
        yield Wish(state, ports.free_offset(), failure_rate)
    except Exception:
        Console(stderr=True).print(f"What it wrote, logs and all, is kept in {state}", soft_wrap=True)
        raise
    except BaseException:
        _remove(state)
        raise
    _remove(state)


def stop(state: Path) -> bool:
    """Stop the stack of a state folder, and say whether there was one."""
    parent = record.running_parent(state)
    if parent is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(parent, signal.SIGTERM)
    try:
        until(
            lambda: record.running_parent(state) is None,
            within_seconds=STOP_SECONDS_MAX,
            what="the stack to stop",
        )
    finally:
        # Its children are on its leash.
        with suppress(ProcessLookupError):
            if record.running_parent(state) == parent:
                os.kill(parent, signal.SIGKILL)
    return True


def forget(state: Path) -> None:
    """Remove all data of a stopped stack."""
    if record.running_parent(state):
        raise StackError("the stack is running: ./run down first")
    postgres_home.forget(state)
    for path in [path for pattern in DATA for path in state.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _remove(state: Path) -> None:
    postgres_home.forget(state)
    shutil.rmtree(state)


def _check_ports(wish: Wish) -> None:
    """What a parent that was killed left behind needs a moment to go."""
    pause = threading.Event()
    for _ in range(PORTS_FREE_SECONDS_MAX * 5):
        busy = ports.busy(wish.port_offset)
        if not busy:
            return
        if record.read(wish.state) is None:
            break
        pause.wait(0.2)
    names = ", ".join(f"{port} ({name})" for name, port in busy.items())
    raise NotReady(f"busy ports: {names}; stop what listens there, or use --port-offset 10000")


def _parent_environment() -> dict[str, str]:
    """The caller's, with our modules in reach from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}  # noqa: TID251 - handed on, not read


def _names(now: StackRecord, *states: State) -> list[str]:
    return [node.name for node in now.nodes if node.state in states]


def _tell(now: StackRecord, told: set[str], console: Console) -> set[str]:
    fresh = [node for node in now.nodes if node.seconds is not None and node.name not in told]
    for node in sorted(fresh, key=lambda node: node.seconds or 0):
        console.print(f"{node.seconds:6.1f} s  {node.name:20} {node.state} {node.address or ''}".rstrip())
    return {node.name for node in fresh}


def _explain(wish: Wish, now: StackRecord | None) -> str:
    name = now.failed if now and now.failed else "stack"
    lines = logfiles.tail(wish.state / "logs" / f"{name}.log", TAIL_LINES)
    return "\n".join([f"{name} did not start; the last lines of its log:", *lines])
