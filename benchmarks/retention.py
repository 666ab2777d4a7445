"""How long writers wait while a day of the outbox goes: `./run bench retention`.

On a cluster of its own: threads write events one after another, each in a transaction, while old days that
are full of rows are dropped. In half of the trials one writer keeps a transaction open meanwhile, so that the
drop cannot have its lock, and those who come later queue behind it until it gives way.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from benchmarks import sql
from benchmarks.audit import RESULTS
from benchmarks.databases import Databases, databases
from chaos.measures import percentile
from contracts.services import ORDER
from migrations.database import migrator_url

ROWS = 100_000
WRITERS = 4
TRIALS = 5
QUIET_SECONDS = 2.0
KEPT_OPEN_SECONDS = 1.0

Figures = dict[str, Any]
Wait = tuple[float, float]  # (when it began, seconds)


@dataclass
class Load:
    """Writers that note how long each of their transactions took."""

    engine: Engine
    waits: list[Wait] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        with self.engine.connect() as connection:
            while not self.stop.is_set():
                began = time.perf_counter()
                connection.execute(sql.ONE_EVENT)
                connection.commit()
                self.waits.append((began, time.perf_counter() - began))

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.write) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def between(self, begin: float, end: float) -> list[float]:
        """The seconds of the transactions that were under way in that time."""
        return [took for began, took in self.waits if began < end and began + took > begin]


def trial(owner: Engine, load: Load, day: int, *, is_held: bool) -> Figures:
    """Drop a full day under load, at the first try or not at all; what writers have waited meanwhile."""
    name = make_day(owner, day)
    with ExitStack() as held:
        if is_held:
            connection = held.enter_context(load.engine.connect())
            connection.execute(sql.ONE_EVENT)
        began = time.perf_counter()
        dropped = _drop(owner, name)
        ended = time.perf_counter()
        if is_held:
            threading.Event().wait(KEPT_OPEN_SECONDS)
    threading.Event().wait(QUIET_SECONDS)
    quiet = load.between(ended + 1, time.perf_counter())
    return {
        "dropped": dropped,
        "seconds": ended - began,
        "writers_wait_max": max(load.between(began, ended)),
        "otherwise_p99": percentile(quiet, 0.99),
        "otherwise_max": max(quiet),
        "events_a_second": len(quiet) / QUIET_SECONDS,
    }


def make_day(owner: Engine, back: int) -> str:
    """A day of the past, full of rows; answers with its partition's name."""
    day = datetime.now(UTC).date() - timedelta(days=back)
    name = f"outbox_p{day:%Y%m%d}"
    with owner.begin() as connection:
        first, last = f"first_id_of('{day}')", f"first_id_of('{day + timedelta(days=1)}')"
        connection.execute(
            text(f"CREATE TABLE {name} PARTITION OF outbox FOR VALUES FROM ({first}) TO ({last})")
        )
    with owner.begin() as connection:
        connection.execute(sql.OLD_EVENTS, {"day": day, "rows": ROWS})
    # Who has waited for the day to be made is past.
    threading.Event().wait(QUIET_SECONDS)
    return name


def run(made: Databases) -> Figures:
    owner = create_engine(migrator_url(ORDER.name, made.server.url, made.secrets))
    load = Load(create_engine(owner.url, pool_size=WRITERS + 1))
    with load.running():
        trials = [trial(owner, load, 20 + number, is_held=number >= TRIALS) for number in range(2 * TRIALS)]
    for engine in (owner, load.engine):
        engine.dispose()
    return {"rows": ROWS, "writers": WRITERS, "free": trials[:TRIALS], "held": trials[TRIALS:]}


def main() -> None:
    with databases([ORDER.name]) as made:
        figures = run(made)
    told = json.dumps(figures, indent=2) + "\n"
    (RESULTS / "retention.json").write_text(told)
    sys.stdout.write(told)


def _drop(owner: Engine, name: str) -> bool:
    try:
        with owner.begin() as connection:
            connection.execute(text("SELECT drop_partition(:name, :rows)"), {"name": name, "rows": ROWS})
    except DBAPIError:
        return False
    return True


if __name__ == "__main__":
    main()
