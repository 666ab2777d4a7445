"""PostgreSQL from the wheel: its settings, its data, its command line, and a cluster for tests."""

import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import URL

from runtime.waiting import until
from stack.leash import leashed
from stack.ports import HOST
from stack.postgres_home import Home, find_home, forget

SUPERUSER = "postgres"
INITDB_SECONDS_MAX = 120
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 10

# What the relays and the promise rest on; the same values stand in docker-compose.yml.
SETTINGS = {
    "wal_level": "logical",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "max_replication_slots": "10",
    "max_wal_senders": "10",
    "wal_sender_timeout": "10s",  # Frees the slot of a relay that is frozen, not dead.
    "idle_replication_slot_timeout": "0",  # A long outage of Connect must not cost the slot.
    "password_encryption": "scram-sha-256",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "1min",  # Bounds what a killed server does again before it takes connections.
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}

# How a cluster is made, for life: text sorts by its bytes, whatever the machine's locale.
CLUSTER_OPTIONS = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)

# Who may connect: every role that has a password, and no one to copy the cluster as a whole. A relay's
# connection names its database, so `all` lets it in; a copy's asks for `replication`, which `all` is not.
CLIENT_AUTHENTICATION = f"host all all {HOST}/32 scram-sha-256\n"


def command(home: Home, port: int, settings: dict[str, str]) -> tuple[str, ...]:
    """The server's command line; it listens on 127.0.0.1 alone, and on no socket file."""
    own = {"listen_addresses": HOST, "port": str(port), "unix_socket_directories": ""}
    options = [f"{key}={value}" for key, value in (SETTINGS | own | settings).items()]
    flags = [part for option in options for part in ("-c", option)]
    return (home.program("postgres"), "-D", str(home.data), *flags)


def is_accepting(home: Home, port: int) -> tuple[str, ...]:
    """The command that exits with 0 once the server takes connections."""
    return (home.program("pg_isready"), "--quiet", "-h", HOST, "-p", str(port), "-U", SUPERUSER)


def initialize(home: Home, password_file: Path) -> None:
    """Make the data folder when there is none yet; the rename at the end tells a whole one from a half."""
    if (home.data / "PG_VERSION").exists():
        _drop_stale_lock(home)
        return
    unfinished = home.data.with_name(home.data.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    password = unfinished.with_suffix(".password")
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(password_file.read_text().strip() + "\n")
    for path in (unfinished, password):
        if home.account:
            shutil.chown(path, home.account, home.group)
    try:
        _initdb(home, unfinished, password)
    finally:
        password.unlink()
    (unfinished / "pg_hba.conf").write_text(CLIENT_AUTHENTICATION)
    unfinished.rename(home.data)


def _initdb(home: Home, data: Path, password: Path) -> None:
    subprocess.run(
        [
            *(home.program("initdb"), "-D", data, "-U", SUPERUSER, "--pwfile", password),
            *CLUSTER_OPTIONS,
            "--no-instructions",
        ],
        user=home.account,
        group=home.group,
        extra_groups=[] if home.account else None,
        cwd="/",
        timeout=INITDB_SECONDS_MAX,
        check=True,
    )


def _drop_stale_lock(home: Home) -> None:
    """After a crash of the whole machine another program may have the old server's process id.

    The server would then refuse to start. Ours alone runs here: the stack holds its folder's lock.
    """
    lock = home.data / "postmaster.pid"
    try:
        process = psutil.Process(int(lock.read_text().split()[0]))
        if process.name() != "postgres":
            lock.unlink()
    except (OSError, psutil.NoSuchProcess, ValueError, IndexError):
        return


# Loses data when the machine dies, which no test of a throw-away cluster would notice.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True, slots=True)
class Server:
    """A running cluster, by its superuser's way in."""

    url: URL

    @property
    def conninfo(self) -> str:
        """The same for psycopg itself."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def cluster(folder: Path, port: int, *, durable: bool = True) -> Iterator[Server]:
    """A cluster in `folder` on `port`, started as in production; its data goes when it has stopped.

    To be entered from a thread that lives as long as the cluster is wanted, such as the main one.
    """
    home = find_home(folder)
    password = _password(folder)
    initialize(home, password)
    settings = {} if durable else NOT_DURABLE
    line = command(home, port, settings)
    server = Server(
        URL.create("postgresql+psycopg", "postgres", password.read_text(), HOST, port, "postgres")
    )
    with (folder / "postgres.log").open("a") as log:
        process = subprocess.Popen(
            leashed(line, account=home.account, orphan_signal=signal.SIGQUIT),
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    try:
        _wait_until_accepting(server, process)
        yield server
    finally:
        _stop(process)
        forget(folder)


def _password(folder: Path) -> Path:
    path = folder / "superuser"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path


def _wait_until_accepting(server: Server, process: subprocess.Popen[bytes]) -> None:
    def accepts() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        psycopg.connect(server.conninfo, connect_timeout=2).close()
        return True

    until(
        accepts,
        within_seconds=START_SECONDS_MAX,
        what="PostgreSQL",
        every_seconds=0.05,
        retry_on=(psycopg.OperationalError,),
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    _binaries, _data, _account, _password_file = sys.argv[1:]
    initialize(Home(Path(_binaries), Path(_data), _account or None), Path(_password_file))
