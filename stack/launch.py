"""From nothing to a running stack and back: fetch what is missing, start the parent, end it."""

import fcntl
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

from runtime import spans
from runtime.waiting import until
from stack import (
    class_archive,
    credentials,
    disk,
    fetching,
    jmx,
    options,
    ports,
    postgres_home,
    progress,
    record,
)
from stack.errors import NotReady, StackError
from stack.layout import DEADLINE_SECONDS, DEFAULT_STATE, ROOT, Layout, cache_folder
from stack.leash import leashed
from stack.postgres_home import Home
from stack.record import StackRecord

STOP_SECONDS_MAX = 60
PORTS_FREE_SECONDS_MAX = 6
# What `reset` forgets; other folders under the state folder are other stacks'.
DATA = ("kafka", "logs", "secrets", "webhook", "gateway.sqlite*", "postgres.*", "state.json*")

# The lock of a temporary folder's owner.
OWNER = "owner.lock"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller wants to have running."""

    state: Path
    port_offset: int = 0
    failure_rate: float = 0.0
    only: tuple[str, ...] = ()
    deadline_seconds: int = DEADLINE_SECONDS
    slot_wal_keep_mb: int | None = None  # None: what the disk allows
    # A proxy between clients and brokers and between brokers, for faults of the network.
    detour: bool = False
    # The gateway in the executor's process, where no second HTTP server is to be measured.
    local_gateway: bool = False
    # An agent in each JVM, which tells Prometheus of it.
    jmx: bool = False

    def layout(self, find_java: Callable[[], str]) -> Layout:
        cache, program, home = cache_folder(), find_java(), postgres_home.find_home(self.state)
        layout = Layout(
            state=self.state,
            cache=cache,
            port_offset=self.port_offset,
            java=program,
            jvm_flags=class_archive.flags(program, cache),
            postgres=home,
            slot_wal_keep_mb=self.slot_wal_keep_mb or self._slot_wal_keep_mb(home),
            payment_failure_rate=self.failure_rate,
            stock_failure_rate=self.failure_rate,
            order_deadline_seconds=self.deadline_seconds,
            rate_limit=options.rate_limit(),
            otlp_endpoint=spans.endpoint(),
            detour=self.detour,
            local_gateway=self.local_gateway,
        )
        return jmx.added(layout) if self.jmx else layout

    def _slot_wal_keep_mb(self, home: Home) -> int:
        return disk.slot_wal_keep_mb(disk.free_mb(self.state), disk.wal_mb(home.data / "pg_wal"))

    def parent_command(self) -> list[str]:
        options = ["--state", str(self.state), "--port-offset", str(self.port_offset)]
        options += ["--failures", str(self.failure_rate), "--deadline", str(self.deadline_seconds)]
        options += ["--slot-wal-keep-mb", str(self.slot_wal_keep_mb)] if self.slot_wal_keep_mb else []
        options += ["--detour"] if self.detour else []
        options += ["--local-gateway"] if self.local_gateway else []
        options += ["--jmx"] if self.jmx else []
        options += [part for name in self.only for part in ("--only", name)]
        return [sys.executable, "-P", "-m", "stack", "supervise", *options]


def prepare(wish: Wish, console: Console) -> None:
    """Fetch what is missing and look for what would fail later. Raises NotReady."""
    wish.state.mkdir(parents=True, exist_ok=True)
    disk.check(wish.state)
    options.rate_limit()
    spans.endpoint()
    _check_ports(wish)
    fetching.fetch(console)
    layout = Layout(state=wish.state)
    credentials.make(layout.secrets, layout.shared_with_gateway)
    (wish.state / "logs").mkdir(exist_ok=True)


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


@contextmanager
def running(wish: Wish, console: Console) -> Iterator[StackRecord]:
    """A ready stack for the length of a `with`; whatever happens inside, nothing of it is left."""
    parent = start(wish, console, detached=False)
    try:
        yield progress.follow(wish.state, lambda: parent.poll() is None, console)
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
def temporary(
    name: str,
    failure_rate: float = 0.0,
    deadline_seconds: int = DEADLINE_SECONDS,
    *,
    detour: bool = False,
) -> Iterator[Wish]:
    """A folder and ports of its own, for a stack beside others; the folder stays when something failed."""
    DEFAULT_STATE.mkdir(exist_ok=True)
    sweep(DEFAULT_STATE)
    state = Path(mkdtemp(prefix=f"{name}-", dir=DEFAULT_STATE))
    state.chmod(0o755)  # The database's account has to pass through.
    try:
        with _owned(state):
            offset = ports.free_offset()
            yield Wish(state, offset, failure_rate, deadline_seconds=deadline_seconds, detour=detour)
    except Exception:
        (state / OWNER).unlink()
        Console(stderr=True).print(f"What it wrote, logs and all, is kept in {state}", soft_wrap=True)
        raise
    except BaseException:
        _remove(state)
        raise
    _remove(state)


@contextmanager
def _owned(state: Path) -> Iterator[None]:
    """Hold a file's lock, which the kernel lets go of when this process is killed."""
    unfinished = state / f"{OWNER}.new"
    with unfinished.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        unfinished.rename(state / OWNER)
        yield


def sweep(folder: Path) -> None:
    """Remove temporary folders whose owner was killed; one that is kept on purpose has no owner."""
    for owner in folder.glob(f"*/{OWNER}"):
        with suppress(BlockingIOError, FileNotFoundError), owner.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if record.running_parent(owner.parent) is None:  # Else it is still on its way out.
                _remove(owner.parent)


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
        wanted = ports.PORTS | (ports.DETOUR if wish.detour else {}) | (ports.JMX if wish.jmx else {})
        busy = ports.busy(wish.port_offset, wanted)
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
