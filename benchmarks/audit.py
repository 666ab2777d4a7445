"""What a round of the auditor costs behind a history: `./run bench audit [SIZE …]`.

On a cluster of its own, without Kafka: records are made from the outboxes' rows, as a relay would make
them. A round here is everything but the reading of topics. A million events take minutes to be made; sizes
may be measured one by one. `results/audit.json` and `results/audit.svg` keep what was measured last of each.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from audit import books, explanations, intake, judgement, report, restored
from audit import sql as audit_sql
from audit.judgement import Checkpoint
from audit.report import Scene
from audit.sources import Slot, Source
from audit.topics import Arrival, Cluster, Place
from benchmarks import sql
from benchmarks.databases import databases
from benchmarks.plot import draw
from contracts.services import AUDIT, SERVICES
from contracts.topics import MESSAGE_TOPICS, read_by
from migrations.database import OWNERS, admin_engine
from stack.postgres import Server

SIZES = (10_000, 100_000, 1_000_000)
NEW_EVENTS = 1_000
CATCH_UP_EVENTS = 40_000
ROUNDS = 5
ROWS_MAX = 20_000
EVENTS_AN_ORDER = 5
RESULTS = Path(__file__).parent / "results"

Figures = dict[str, Any]


@dataclass
class System:
    """Services' databases with a history, and the auditor's that has followed it."""

    engines: dict[str, Engine]
    orders: int = 0
    offsets: Any = field(default_factory=lambda: count(1_000_000_000))

    @property
    def sources(self) -> dict[str, Source]:
        return {service.name: Source(service, self.engines[service.name]) for service in SERVICES}

    def place(self, orders: int) -> dict[str, int]:
        """So many more orders, from beginning to end; answers with the transactions that wrote them."""
        numbers = {"first": self.orders + 1, "last": self.orders + orders}
        self.orders += orders
        written = {}
        for name, statements in sql.ORDERS.items():
            with self.engines[name].begin() as connection:
                written[name] = connection.execute(sql.THIS_TRANSACTION).scalar_one()
                for statement in statements:
                    connection.execute(text(statement), numbers)
        return written

    def remember(self, written: dict[str, int]) -> None:
        """Put orders among what the auditor has seen to be good."""
        for name, xact in written.items():
            _pipe(self.engines[name], self.engines[AUDIT.name], xact)
        with self.engines[AUDIT.name].begin() as connection:
            for name, xact in written.items():
                connection.execute(audit_sql.SET_OUTBOX_MARK, {"service": name, "mark": xact + 1})
        self._analyze()

    def records(self, written: dict[str, int]) -> list[Arrival]:
        """What the relays make of it; every consumer sees it at once."""
        rows = [row for name, xact in written.items() for row in self._sent(name, xact)]
        for service in SERVICES:
            seen = [row for row in rows if row.topic in read_by(service.name)]
            told = {"ids": [row.id for row in seen], "topics": [row.topic for row in seen]}
            with self.engines[service.name].begin() as connection:
                connection.execute(sql.SEEN, {"consumer": service.name, **told})
        now = datetime.now(UTC)
        return [
            Arrival(r.topic, 0, next(self.offsets), r.id, r.key, r.sequence, r.source, r.digest, now)
            for r in rows
        ]

    def unsettled(self) -> int:
        """How many orders' money and stock were not found to agree yet."""
        with self.engines[AUDIT.name].connect() as connection:
            return int(connection.execute(sql.UNSETTLED).scalar_one())

    def _sent(self, name: str, xact: int) -> Sequence[Any]:
        with self.engines[name].connect() as connection:
            return connection.execute(sql.SENT, {"xact": xact}).all()

    def _analyze(self) -> None:
        """What autovacuum does sooner or later."""
        for engine in self.engines.values():
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))


class Nowhere(Cluster):
    """Consumer groups that have committed nothing; all that a round asks of Kafka besides its records."""

    def __init__(self) -> None:
        """Without brokers."""

    def positions(self, group: str) -> dict[Place, int]:  # noqa: ARG002 - the same for every group
        return {}


def one_round(system: System, arrivals: Sequence[Arrival]) -> tuple[float, Figures]:
    """The seconds of a round, as audit.rounds does it, and its report."""
    began = time.perf_counter()
    sources = system.sources
    with system.engines[AUDIT.name].begin() as connection:
        connection.execute(audit_sql.MAKE_NEWS)
        began_at = connection.execute(audit_sql.NOW).scalar_one()
        restored.look_for(connection, sources)
        marks = {row.service: row.outbox_mark for row in connection.execute(audit_sql.MARKS)}
        helpings = {name: each.written(marks.get(name, 0), ROWS_MAX) for name, each in sources.items()}
        intake.take_in(connection, arrivals, helpings)
        judgement.find_phantoms(connection, sources, {})
        everything = Checkpoint({name: helping.noted_lsn for name, helping in helpings.items()})
        judgement.find_lost(connection, everything, [topic.name for topic in MESSAGE_TOPICS])
        for source in sources.values():
            judgement.find_skipped(connection, source, Nowhere())
        stock = books.look(connection, sources)
        explanations.look_for(connection, sources)
        slots = {name: Slot(0, "reserved", True) for name in sources}
        days = {name: source.days_ahead() for name, source in sources.items()}
        body = report.write_report(connection, Scene(began_at, slots, days, (), (), stock))
    return time.perf_counter() - began, body


def measure(system: System, size: int) -> Figures:
    """Rounds that take in a thousand events, rounds that take in none, and full ones, behind a history."""
    system.remember(system.place((size - system.orders * EVENTS_AN_ORDER) // EVENTS_AN_ORDER))
    one_round(system, ())
    seconds = []
    for _ in range(ROUNDS):
        arrivals = system.records(system.place(NEW_EVENTS // EVENTS_AN_ORDER))
        took, body = one_round(system, arrivals)
        if body["verdict"] != "green":
            raise AssertionError(body["reasons"])
        seconds.append(took)
    idle = [one_round(system, ())[0] for _ in range(ROUNDS)]
    rounds = {"busy": _spread(seconds), "idle": _spread(idle)}
    return {"history": size, "new": NEW_EVENTS, **rounds, "catch_up": catch_up(system)}


def catch_up(system: System) -> Figures:
    """How fast an auditor follows what was written while nobody looked: reads it, and compares its orders."""
    orders = ROWS_MAX // EVENTS_AN_ORDER
    written = [system.place(orders) for _ in range(CATCH_UP_EVENTS // ROWS_MAX)]
    arrivals = [record for each in written for record in system.records(each)]
    read = sum(one_round(system, part)[0] for part in _parts(arrivals))
    compared = sum(one_round(system, ())[0] for _ in takewhile(lambda _: system.unsettled(), range(200)))
    return {
        "events": len(arrivals),
        "read_a_second": len(arrivals) / read,
        "events_a_second": len(arrivals) / (read + compared),
    }


def run(server: Server, sizes: Sequence[int]) -> list[Figures]:
    engines = {name: _engine(server, owner.database) for name, owner in OWNERS.items()}
    system = System(engines)
    figures = [_told(measure(system, size)) for size in sizes]
    for engine in engines.values():
        engine.dispose()
    return figures


def main() -> None:
    sizes = sorted(int(size) for size in sys.argv[1:]) or SIZES
    with databases(OWNERS) as made:
        figures = run(made.server, sizes)
    path = RESULTS / "audit.json"
    kept = [each for each in json.loads(path.read_text())["rounds"] if each["history"] not in sizes]
    rounds = sorted(kept + figures, key=lambda each: int(each["history"]))
    told = {"machine": platform.machine(), "cores": os.cpu_count(), "rounds": rounds}
    path.write_text(json.dumps(told, indent=2) + "\n")
    (RESULTS / "audit.svg").write_text(draw(rounds))


def _engine(server: Server, database: str) -> Engine:
    return admin_engine(server.url, database).execution_options(isolation_level="READ COMMITTED")


def _pipe(source: Engine, target: Engine, xact: int) -> None:
    with source.connect() as reading, target.begin() as writing:
        reader: Any = reading.connection.driver_connection
        writer: Any = writing.connection.driver_connection
        with (
            reader.cursor() as out,
            writer.cursor() as into,
            out.copy(sql.COPY_OUT, (xact,)) as rows,
            into.copy(sql.COPY_IN) as copies,
        ):
            for block in rows:
                copies.write(block)


def _parts(arrivals: Sequence[Arrival]) -> list[Sequence[Arrival]]:
    return [arrivals[at : at + ROWS_MAX] for at in range(0, len(arrivals), ROWS_MAX)]


def _spread(seconds: Sequence[float]) -> Figures:
    return {"min": min(seconds), "median": statistics.median(seconds), "max": max(seconds)}


def _told(figures: Figures) -> Figures:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    return figures


if __name__ == "__main__":
    main()
