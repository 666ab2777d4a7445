"""What the benchmark asks of whatever is measured, and what several peers have in common."""

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import psutil
import psycopg

from runtime.errors import NeverlostError
from runtime.waiting import until
from stack.layout import ROOT
from stack.leash import leashed
from stack.postgres import Server

HOST = "127.0.0.1"
START_SECONDS_MAX, STOP_SECONDS_MAX, ANSWER_SECONDS_MAX = 60.0, 10.0, 30.0
# How a service of ours is served where it speaks WSGI: one process, as many threads as were found best.
WSGI = ("--interface", "wsgi", "--factory", "--workers", "1", "--blocking-threads", "8")


class Missing(NeverlostError):  # noqa: N818 - it says what is the matter
    """Something that a peer needs is not there."""


class Refused(NeverlostError):  # noqa: N818 - it says what happened
    """An order was not accepted, which no peer has a reason for here."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order for one item; `amount` in cents, `end` the status that it has to come to."""

    id: str
    token: str
    sku: str
    quantity: int = 1
    amount: int = 1250

    @property
    def end(self) -> str:
        if self.token == "tok_declined":  # noqa: S105 - the name of a card that is declined
            return "FAILED"
        return "CANCELLED" if self.sku == "SOLD-OUT" else "COMPLETED"


class Peer(Protocol):
    """A running system that takes orders; stopped by leaving the context it came from."""

    def place(self, order: Order) -> None:
        """Return once the order is accepted and will not be forgotten. Several threads call at once."""

    def ended(self) -> int:
        """How many orders have come to their end; asked a hundred times a second."""

    def finished(self) -> Mapping[str, float]:
        """By order, when its last status was stored: seconds of the wall clock."""

    def wrong(self, placed: Sequence[Order]) -> list[str]:
        """What the books say that these orders, all at rest, do not explain."""

    def processes(self) -> Mapping[str, psutil.Process]:
        """By component, the root of each process tree that works for it, Postgres included."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a peer is started on: a Postgres, and a folder that is empty for every start."""

    server: Server
    folder: Path

    def database(self, name: str) -> str:
        """How to connect to one of its databases, whether it exists or not."""
        return self.server.url.set(drivername="postgresql", database=name).render_as_string(
            hide_password=False
        )

    def postgres(self) -> psutil.Process:
        """The server's own process, parent of all its sessions."""
        with psycopg.connect(self.server.conninfo) as connection:
            parent = psutil.Process(connection.info.backend_pid).parent()
        if parent is None:
            raise Missing("the process of PostgreSQL")
        return parent


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line in the table of peers. `prepare` gives versions by name, or raises Missing."""

    name: str
    prepare: Callable[[], Mapping[str, str]]
    running: Callable[[Ground], AbstractContextManager[Peer]]


def versions_of(*packages: str) -> dict[str, str]:
    """Of what requirements/bench.txt asks for."""
    try:
        return {name: version(name) for name in packages}
    except PackageNotFoundError as error:
        raise Missing(
            f"the package {error.name} is missing; `./run bench` installs requirements/bench.txt"
        ) from None


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], log: Path, port: int
) -> Iterator[psutil.Process]:
    """A process that listens on its port, until the end of the `with`."""
    with log.open("a") as output:
        process = subprocess.Popen(
            leashed(command), env=dict(environment), stdout=output, stderr=output, cwd=log.parent
        )
    try:
        until(
            lambda: process.poll() is not None or _listens(port),
            within_seconds=START_SECONDS_MAX,
            what=f"{log.stem} to listen",
            retry_on=(OSError,),
        )
        if process.poll() is not None:
            raise Missing(f"{log.stem} ended at once: {log.read_text()[-500:]}")
        yield psutil.Process(process.pid)
    finally:
        _stop(process)


def granian(target: str, port: int, *options: str) -> list[str]:
    """The command that serves `target`, a `module:name` of ours."""
    quiet = ("--no-access-log", "--log-level", "warning")
    return [
        *(sys.executable, "-P", "-m", "granian", target),
        *("--host", HOST, "--port", str(port), *quiet, *options),
    ]


def ours(**variables: str) -> dict[str, str]:
    """The environment of a process that runs a module of ours."""
    return {"PYTHONPATH": str(ROOT), **variables}


class Door:
    """Where a peer takes requests; a thread keeps its connection."""

    def __init__(self, port: int) -> None:
        self._port, self._of_thread = port, threading.local()

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """Refused is raised for every answer that is no success."""
        connection = self._connection()
        connection.request(
            "POST", path, json.dumps(body), {"Content-Type": "application/json", **(headers or {})}
        )
        response = connection.getresponse()
        said = response.read()
        if response.status >= http.client.MULTIPLE_CHOICES:
            raise Refused(f"{path}: {response.status} {said[:200]!r}")

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = http.client.HTTPConnection(
                HOST, self._port, timeout=ANSWER_SECONDS_MAX
            )
        connection: http.client.HTTPConnection = self._of_thread.connection
        return connection


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    connection.connect()
    connection.close()
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    """With all that it started: a worker must not outlive the server it belongs to."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in psutil.wait_procs(family, timeout=1)[1]:
        left.kill()
