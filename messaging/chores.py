"""What a worker does beside its messages from time to time, such as forgetting what has expired."""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import Engine, TextClause

BATCH_ROWS = 500
BATCHES_MAX = 20

log = structlog.get_logger(__name__)


class Chore:
    """Calls `do` every now and then; what fails is told, and done the next time."""

    def __init__(self, do: Callable[[Engine], object], every_seconds: float = 600.0) -> None:
        self._do = do
        self._every_seconds = every_seconds

    def run(self, engine: Engine, stop: threading.Event) -> None:
        """Until stopped."""
        while not stop.wait(self._every_seconds):
            try:
                self._do(engine)
            except Exception:
                log.exception("a chore was not done", chore=self._do.__name__)


def delete_in_batches(engine: Engine, statement: TextClause, **values: object) -> int:
    """Run a statement that deletes `:most` rows in transactions of their own; how many rows went.

    At most 20 batches of 500: what is left goes the next time.
    """
    deleted = 0
    for _ in range(BATCHES_MAX):
        with engine.begin() as connection:
            rows = connection.execute(statement, {"most": BATCH_ROWS, **values}).rowcount
        deleted += rows
        if rows < BATCH_ROWS:
            break
    return deleted
