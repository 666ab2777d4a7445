"""What a team writes itself: three Flask services, an outbox in each database, and a relay that polls it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks.databases import free_port
from benchmarks.peers.books import DATABASES, Books, Standing, make_afresh, run
from benchmarks.peers.peer import WSGI, Candidate, Door, Ground, Order, granian, ours, started, versions_of

_TABLES = Path(__file__).with_suffix(".sql")


class HandWritten(Standing):
    """The running services; an order is accepted once it is stored, with its first event."""

    def place(self, order: Order) -> None:
        self._door.post("/orders", asdict(order))


@contextmanager
def running(ground: Ground) -> Iterator[HandWritten]:
    make_afresh(ground)
    for name in DATABASES:
        run(ground.database(name), _TABLES.read_text())
    ports = {name: free_port() for name in DATABASES}
    known = {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    with ExitStack() as opened:
        processes = {"postgres": ground.postgres()}
        for name, port in ports.items():
            command = granian("benchmarks.peers.hand_written_service:create_app", port, *WSGI)
            environment = ours(DATABASE_URL=ground.database(name), **known)
            log = ground.folder / f"{name}.log"
            processes[name] = opened.enter_context(started(command, environment, log, port))
        books = opened.enter_context(Books(ground))
        yield HandWritten(books, Door(ports["orders"]), processes)


def _versions() -> Mapping[str, str]:
    return versions_of("flask", "granian", "psycopg")


CANDIDATE = Candidate("hand_written", _versions, running)
