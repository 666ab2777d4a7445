"""Restate: its server from npm, its SDK in our service; two partitions, two workers, as measured best.

An order is accepted once it stands in Restate's own log, which syncs to disk as it does by default.
"""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks.databases import free_port
from benchmarks.peers.books import DATABASES, Books, Standing, make_afresh
from benchmarks.peers.peer import (
    HOST,
    Candidate,
    Door,
    Ground,
    Missing,
    Order,
    granian,
    ours,
    started,
    versions_of,
)
from runtime.waiting import until
from stack.layout import DEFAULT_STATE

PARTITIONS, WORKERS = 2, 2
INSTALL_SECONDS_MAX, REGISTER_SECONDS_MAX = 300, 60.0
_WANTED = Path(__file__).with_name("package.json")
_HOME = DEFAULT_STATE / "peers"
# Nothing but the wanted package's own files: no script of it is run, and no lock file is kept.
_INSTALL = ("install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--silent")
_ASGI = ("--interface", "asgi", "--http", "2", "--workers", str(WORKERS))


class Restate(Standing):
    """The running server and service."""

    def place(self, order: Order) -> None:
        # Like every front end that must not place an order twice.
        self._door.post("/orders/run/send", asdict(order), {"idempotency-key": order.id})


@contextmanager
def running(ground: Ground) -> Iterator[Restate]:
    make_afresh(ground)
    service, ingress, admin, node = (free_port() for _ in range(4))
    urls = {f"{name.upper()}_URL": ground.database(name) for name in DATABASES}
    with ExitStack() as opened:
        workers = opened.enter_context(
            started(
                granian("benchmarks.peers.restate_service:app", service, *_ASGI),
                ours(**urls),
                ground.folder / "service.log",
                service,
            )
        )
        settings = _settings(ground.folder, ingress, admin, node)
        log = ground.folder / "restate.log"
        server = opened.enter_context(started([str(_program()), "--no-logo"], settings, log, ingress))
        _register(admin, service)
        books = opened.enter_context(Books(ground))
        processes = {"postgres": ground.postgres(), "restate": server, "service": workers}
        yield Restate(books, Door(ingress), processes)


def _settings(folder: Path, ingress: int, admin: int, node: int) -> dict[str, str]:
    return {
        "RESTATE_BASE_DIR": str(folder / "restate"),
        "RESTATE_NODE_NAME": "alone",
        "RESTATE_DEFAULT_NUM_PARTITIONS": str(PARTITIONS),
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_ADDRESS": f"{HOST}:{node}",
        "RESTATE_ADVERTISED_ADDRESS": f"http://{HOST}:{node}",
        "RESTATE_INGRESS__BIND_ADDRESS": f"{HOST}:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"{HOST}:{admin}",
    }


def _register(admin: int, service: int) -> None:
    """Tell the server where our handler is, as soon as it listens."""

    def told() -> bool:
        Door(admin).post("/deployments", {"uri": f"http://{HOST}:{service}"})
        return True

    until(told, within_seconds=REGISTER_SECONDS_MAX, what="Restate's admin API", retry_on=(OSError,))


def _versions() -> Mapping[str, str]:
    versions = versions_of("restate-sdk", "granian", "asyncpg")
    if not _is_installed():
        _install()
    said = subprocess.run([_program(), "--version"], capture_output=True, text=True, check=True)
    return {"restate-server": said.stdout.split()[-1], **versions}


def _is_installed() -> bool:
    kept = _HOME / _WANTED.name
    return kept.exists() and kept.read_text() == _WANTED.read_text() and bool(_programs())


def _install() -> None:
    """By npm as it is set up here, into var/."""
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("npm is missing, which Restate's server comes by")
    _HOME.mkdir(parents=True, exist_ok=True)
    shutil.copy(_WANTED, _HOME)
    done = subprocess.run(
        [npm, *_INSTALL, "--prefix", _HOME],
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS_MAX,
    )
    if done.returncode or not _programs():
        raise Missing(f"npm did not install Restate's server: {done.stderr[-500:]}")


def _programs() -> list[Path]:
    """The server of this machine's kind."""
    return list(_HOME.glob("node_modules/@restatedev/restate-server-*/bin/restate-server"))


def _program() -> Path:
    return _programs()[0]


CANDIDATE = Candidate("restate", _versions, running)
