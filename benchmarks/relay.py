"""How soon the relay makes committed rows visible, and how fast it brings a backlog: `./run bench relay`.

On a whole system, everything on: exactly once, auditor, supervisor. Rows of the order service's outbox are
written straight into it. Soon: from a row's commit until a read_committed reader has it, at several rates.
Fast: the connector is stopped, rows are written, and it is resumed; the floor is `pg_recvlogical`, which
reads the same rows from a slot of its own, by the same publication, and throws them away. The rate is told
from the resume on, and from the first tenth on, without the connector's start.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.errors import ObjectInUse
from rich.console import Console

from benchmarks import cpu, sql
from benchmarks.announcing import TOPIC, own_url, write_at_once, write_steadily
from benchmarks.keeping import keep, measured_on, spreads
from benchmarks.reader import Reader
from benchmarks.system import Figures
from chaos.measures import percentile
from connect import operations
from contracts.services import ORDER
from runtime.waiting import until
from stack import launch, prey
from stack.layout import Layout
from stack.ports import HOST
from stack.postgres import SUPERUSER
from stack.postgres_home import installed

EVENTS, ROUNDS, SECONDS = 200_000, 3, 20.0
RATES = (10, 100, 1000)
WARM_UP_RATE, WARM_UP_SECONDS = 200.0, 10.0
SETTLE_SECONDS_MAX, STOP_SECONDS_MAX, DRAIN_SECONDS_MAX = 60.0, 30.0, 600.0
SLOT = "a_benchmark"


@dataclass
class Bench:
    """A running stack, its reader, and how many rows were written to its outbox."""

    layout: Layout
    reader: Reader
    written: int = 0

    @property
    def _workers(self) -> list[str]:
        return self.layout.connect_urls.split(",")

    def latency(self, rate: float, seconds: float) -> Figures:
        """Milliseconds from a row's commit until it was read."""
        committed = write_steadily(own_url(self.layout, ORDER.role("app")), rate, seconds)
        self.written += len(committed)
        self.reader.until_came(self.written, SETTLE_SECONDS_MAX)
        took = [(self.reader.came[key] - when) * 1000 for key, when in committed.items()]
        lasted = max(committed.values()) - min(committed.values())
        shares = {f"p{share * 100:g}": percentile(took, share) for share in (0.5, 0.99)}
        return {**shares, "max": max(took), "rows_a_second": (len(took) - 1) / (lasted or seconds)}

    def drain(self, events: int) -> Figures:
        """Rows that wait, read by `pg_recvlogical`, and then brought by the relay."""
        with self._slot():
            self._stop()
            write_at_once(own_url(self.layout, ORDER.role("app")), events)
            floor = events / self._receive()
        before, spent, resumed = self.written, cpu.spent(self.layout), time.monotonic()
        self.written += events
        operations.resume(self._workers, ORDER.connector)
        self.reader.until_came(self.written, DRAIN_SECONDS_MAX)
        spent = cpu.between(spent, cpu.spent(self.layout))
        figures = _pace(list(self.reader.came.values())[before:], resumed)
        return {
            **figures,
            "received_a_second": floor,
            "ratio": figures["flowing_a_second"] / floor,
            "ratio_from_the_resume": figures["events_a_second"] / floor,
            "cpu_us_an_event": {name: round(s / events * 1e6, 1) for name, s in spent.items()},
        }

    def broken(self) -> list[str]:
        """What was not visible once; a figure with a broken promise is no result."""
        missing = self.written - len(self.reader.came)
        found = {"missing": missing, "repeated": self.reader.repeats}
        return [f"{number} {what}" for what, number in found.items() if number]

    def _stop(self) -> None:
        """Not a pause: a paused connector goes on reading the log until its queue is full."""
        operations.client(self._workers).stop(ORDER.connector)

        def stands() -> bool:
            return any(s.name == ORDER.connector and s.stands for s in operations.status(self._workers))

        until(stands, within_seconds=STOP_SECONDS_MAX, what="the connector to stop")

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Another slot, from now on; dropped in the end, as soon as its reader is gone."""
        with psycopg.connect(own_url(self.layout, SUPERUSER), autocommit=True) as connection:
            connection.execute(sql.MAKE_SLOT, {"slot": SLOT})
            try:
                yield
            finally:
                until(
                    lambda: connection.execute(sql.DROP_SLOT, {"slot": SLOT}),
                    within_seconds=STOP_SECONDS_MAX,
                    what="the slot to be let go",
                    retry_on=(ObjectInUse,),
                )

    def _receive(self) -> float:
        """Seconds that `pg_recvlogical` takes, from its start until it has all that is written."""
        with psycopg.connect(own_url(self.layout, SUPERUSER), autocommit=True) as connection:
            [[end]] = connection.execute(sql.END_OF_WAL).fetchall()
        options = ["proto_version=1", f"publication_names={ORDER.publication}"]
        command = [
            *(installed(self.layout.state).program("pg_recvlogical"), "--slot", SLOT),
            *("-h", HOST, "-p", str(self.layout.port("postgres")), "-U", SUPERUSER, "-d", ORDER.database),
            *("--start", "--no-loop", "--endpos", end, "--file", "/dev/null"),
            *(part for option in options for part in ("--option", option)),
        ]
        environment = {"PGPASSWORD": (self.layout.secrets / SUPERUSER).read_text().strip()}
        began = time.monotonic()
        subprocess.run(command, env=environment, check=True, timeout=DRAIN_SECONDS_MAX)
        return time.monotonic() - began


def _pace(came: Sequence[float], resumed: float) -> Figures:
    """`came` are the times of all events, in their order."""
    tenth, last = came[len(came) // 10], came[-1]
    return {
        "first_seconds": came[0] - resumed,
        "seconds": last - resumed,
        "events_a_second": len(came) / (last - resumed),
        # A transaction makes many visible at once, so a short backlog may have no time of its own.
        "flowing_a_second": (len(came) - len(came) // 10) / max(last - tenth, 0.001),
    }


def one_round(on: Bench, events: int, seconds: float) -> Figures:
    """Every figure once, so that repeats of one are not done in a row."""
    return {
        "latency_ms": {str(rate): on.latency(rate, seconds) for rate in RATES},
        "drain": on.drain(events),
    }


def summary(rounds: Sequence[Figures]) -> Figures:
    """Of each figure the least, the median and the most."""
    latency = {rate: spreads([each["latency_ms"][rate] for each in rounds]) for rate in map(str, RATES)}
    drains: list[Mapping[str, float]] = [
        {name: value for name, value in each["drain"].items() if name != "cpu_us_an_event"} for each in rounds
    ]
    return {"latency_ms": latency, "drain": spreads(drains)}


@contextmanager
def bench() -> Iterator[Bench]:
    with launch.temporary("relay") as wish, launch.running(wish, Console(stderr=True)) as started:
        layout = prey.layout_of(wish.state, started)
        with Reader(prey.direct_servers(layout), TOPIC) as reader:
            yield Bench(layout, reader)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--events", type=int, default=EVENTS, help="rows of the backlog")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each rate is kept")
    asked = parser.parse_args()
    with bench() as on:
        on.latency(WARM_UP_RATE, WARM_UP_SECONDS)
        rounds = [one_round(on, asked.events, asked.seconds) for _ in range(asked.rounds)]
        broken = on.broken()
    figures = {"events": asked.events, "seconds": asked.seconds, **summary(rounds)}
    about = measured_on("confluent-kafka", "psycopg")
    keep("relay", {**about, **figures, "broken": broken, "rounds": rounds})
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
