"""DBOS: the saga as a workflow inside one service, its checkpoints in a database beside the three.

Steps, not its transactions that commit a checkpoint with the business row: those are less than half as fast.
One process, since a second one adds next to nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict

from benchmarks.databases import free_port
from benchmarks.peers.books import DATABASES, Books, Standing, make_afresh
from benchmarks.peers.peer import WSGI, Candidate, Door, Ground, Order, granian, ours, started, versions_of

SYSTEM_DATABASE = "dbos"


class Dbos(Standing):
    """The running service; an order is accepted once its workflow is stored."""

    def place(self, order: Order) -> None:
        self._door.post("/orders", asdict(order))


@contextmanager
def running(ground: Ground) -> Iterator[Dbos]:
    make_afresh(ground, SYSTEM_DATABASE)
    port = free_port()
    urls = {f"{name.upper()}_URL": ground.database(name) for name in (*DATABASES, SYSTEM_DATABASE)}
    command = granian("benchmarks.peers.dbos_service:create_app", port, *WSGI)
    log = ground.folder / "service.log"
    with started(command, ours(**urls), log, port) as service, Books(ground) as books:
        yield Dbos(books, Door(port), {"postgres": ground.postgres(), "service": service})


def _versions() -> Mapping[str, str]:
    return versions_of("dbos", "flask", "granian", "psycopg")


CANDIDATE = Candidate("dbos", _versions, running)
