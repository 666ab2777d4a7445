"""A Postgres of a benchmark's own, as production has it but empty."""

import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from migrations.__main__ import upgrade
from migrations.bootstrap import bootstrap
from migrations.database import admin_engine
from runtime.environment import Environment
from stack.postgres import Server, cluster


@dataclass(frozen=True, slots=True)
class Databases:
    """A running cluster in a folder that goes with it; `secrets` has each role's password in a file."""

    server: Server
    folder: Path
    secrets: Path


@contextmanager
def databases(rooms: Iterable[str]) -> Iterator[Databases]:
    """All databases are made, and those of the rooms have their tables."""
    with tempfile.TemporaryDirectory(prefix="neverlost-") as name, cluster(Path(name), free_port()) as server:
        secrets = Path(name) / "secrets"
        admin = admin_engine(server.url)
        bootstrap(admin, secrets)
        admin.dispose()
        url = server.url.render_as_string(hide_password=False)
        for room in rooms:
            upgrade(room, Environment({"ADMIN_DATABASE_URL": url, "SECRETS_DIR": str(secrets)}))
        yield Databases(server, Path(name), secrets)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
