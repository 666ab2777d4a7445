"""How soon the relay makes committed rows visible, and how fast it brings a backlog: `./run bench relay`.

On a whole system, everything on: exactly once, auditor, supervisor. Rows of the order service's outbox are
written straight into it. Soon: from a row's commit until a read_committed reader has it, at several rates.
Fast: the connector is stopped, rows are written, and it is resumed; the floor is `pg_recvlogical`, which
reads the same rows from a slot of its own, by the same publication, and throws them away. The rate is told
from the resume on, and from the first tenth on, without the connector's start.

What exactly once costs: a second relay, with exactly once switched off (benchmarks/at_least_once.py), does
the same in turn, each while the other is stopped. Both bring the same backlog, and the auditor is held
meanwhile: it would read what the one has written, and nothing of the other's.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psycopg
from rich.console import Console

from benchmarks import at_least_once, auditing, cpu, sql
from benchmarks.announcing import TOPIC, own_url, write_at_once, write_steadily
from benchmarks.bringing import Relay, slot
from benchmarks.keeping import keep, measured_on, spreads
from benchmarks.reader import Reader
from benchmarks.system import Figures
from chaos.measures import percentile
from connect import operations
from contracts.services import ORDER
from stack import java, launch, prey
from stack.layout import Layout
from stack.ports import HOST
from stack.postgres import SUPERUSER
from stack.postgres_home import installed

EVENTS, ROUNDS, SECONDS = 200_000, 3, 20.0
ON, OFF = "exactly_once", "at_least_once"
# In rows a second; at one of them the two are compared.
COMPARED_RATE = 100
RATES = {ON: (10, COMPARED_RATE, 1000), OFF: (COMPARED_RATE,)}
WARM_UP_RATE, WARM_UP_SECONDS = 200.0, 10.0
SETTLE_SECONDS_MAX, RECEIVE_SECONDS_MAX = 60.0, 600.0
SLOT = "a_benchmark"


@dataclass
class Bench:
    """A running stack, relays by name, and how many rows were written for each of them to bring."""

    layout: Layout
    relays: Mapping[str, Relay] = field(default_factory=dict)
    # Pids of what runs beside the stack.
    beside: Mapping[str, int] = field(default_factory=dict)
    written: int = 0

    def warm_up(self, events: int) -> None:
        """Once what is measured: a JVM compiles what it does often, and until then it is slow."""
        for name in self.relays:
            self.soon(name, (WARM_UP_RATE,), WARM_UP_SECONDS)
        self.drain(events, tuple(self.relays))

    def latency(self, reader: Reader, rate: float, seconds: float) -> Figures:
        """Milliseconds from a row's commit until it was read."""
        committed = write_steadily(own_url(self.layout, ORDER.role("app")), rate, seconds)
        self.written += len(committed)
        reader.until_came(self.written, SETTLE_SECONDS_MAX)
        took = [(reader.came[key] - when) * 1000 for key, when in committed.items()]
        lasted = max(committed.values()) - min(committed.values())
        shares = {f"p{share * 100:g}": percentile(took, share) for share in (0.5, 0.99)}
        return {**shares, "max": max(took), "rows_a_second": (len(took) - 1) / (lasted or seconds)}

    def soon(self, name: str, rates: Sequence[float], seconds: float) -> Figures:
        """The same by one relay, while the others stand, at each of the rates."""
        for other in self.relays.keys() - {name}:
            self.relays[other].stop()
        self._write(1)  # With nothing to bring, nobody would know when it is at work.
        self.relays[name].bring(self.written)
        return {f"{rate:g}": self.latency(self.relays[name].reader, rate, seconds) for rate in rates}

    def drain(self, events: int, turns: Sequence[str]) -> Figures:
        """Rows that wait, read by `pg_recvlogical`, and then brought by each relay in its turn."""
        for name in turns:
            self.relays[name].bring(self.written)
            self.relays[name].stop()
        with slot(self.layout, SLOT), auditing.held(self.layout):
            self._write(events)
            floor = events / self._receive()
            drained = {name: self._turn(self.relays[name], events, floor) for name in turns}
        self.relays[ON].bring(self.written)
        return drained

    def broken(self) -> list[str]:
        """What did not come, or not once where it should; a figure with a broken promise is no result."""
        missing = {name: self.written - len(relay.reader.came) for name, relay in self.relays.items()}
        told = [f"{number} missing: {name}" for name, number in missing.items() if number]
        repeats = self.relays[ON].reader.repeats
        told += [f"{repeats} repeated: {ON}"] if repeats else []
        return told + auditing.against(self.layout)

    def _write(self, number: int) -> None:
        write_at_once(own_url(self.layout, ORDER.role("app")), number)
        self.written += number

    def _turn(self, relay: Relay, events: int, floor: float) -> Figures:
        """One relay's turn with the backlog; `floor` is a rate."""
        before = cpu.spent(self.layout, self.beside)
        resumed = relay.bring(self.written)
        spent = cpu.between(before, cpu.spent(self.layout, self.beside))
        relay.stop()
        figures = _pace(list(relay.reader.came.values())[-events:], resumed)
        return {
            **figures,
            "received_a_second": floor,
            "ratio": figures["flowing_a_second"] / floor,
            "ratio_from_the_resume": figures["events_a_second"] / floor,
            "cpu_us_an_event": sum(spent.values()) / events * 1e6,
            "cpu_us_by_component": {name: round(s / events * 1e6, 1) for name, s in spent.items()},
        }

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
        subprocess.run(command, env=environment, check=True, timeout=RECEIVE_SECONDS_MAX)
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


def one_round(on: Bench, turns: Sequence[str], events: int, seconds: float) -> Figures:
    """Every figure once, so that repeats of one are not done in a row."""
    soon = {name: on.soon(name, RATES[name], seconds) for name in turns}
    drained = on.drain(events, turns)
    once, at_least = ({"latency_ms": soon[name], "drain": drained[name]} for name in (ON, OFF))
    return {**once, OFF: at_least, "exactly_once_by_at_least_once": by(once, at_least)}


def by(one: Figures, other: Figures) -> Figures:
    """Each figure of the one, divided by the other's."""
    soon = [each["latency_ms"][str(COMPARED_RATE)] for each in (one, other)]
    latency = {f"latency_{name}": soon[0][name] / soon[1][name] for name in ("p50", "p99")}
    names = ("flowing_a_second", "events_a_second", "cpu_us_an_event")
    return {**{name: one["drain"][name] / other["drain"][name] for name in names}, **latency}


@contextmanager
def bench() -> Iterator[Bench]:
    with ExitStack() as opened:
        wish = opened.enter_context(launch.temporary("relay"))
        opened.enter_context(launch.running(wish, Console(stderr=True)))
        layout = wish.layout(lambda: java.find() or "java")
        servers = prey.direct_servers(layout)
        off, pid = opened.enter_context(at_least_once.running(layout, servers))
        client = operations.client(layout.connect_urls.split(","), servers.split(","))
        on = Relay(client, ORDER.connector, opened.enter_context(Reader(servers, TOPIC)))
        yield Bench(layout, {ON: on, OFF: off}, {at_least_once.NAME: pid})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--events", type=int, default=EVENTS, help="rows of the backlog")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each rate is kept")
    asked = parser.parse_args()
    rounds = []
    with bench() as on:
        on.warm_up(asked.events)
        broken = on.broken()
        for number in range(asked.rounds):
            turns = (ON, OFF) if number % 2 == 0 else (OFF, ON)
            rounds.append(one_round(on, turns, asked.events, asked.seconds))
            broken += on.broken()
        repeats = on.relays[OFF].reader.repeats
    figures = {"events": asked.events, "seconds": asked.seconds, **spreads(rounds)}
    about = {**measured_on("confluent-kafka", "psycopg"), "repeated_at_least_once": repeats}
    keep("relay", {**about, **figures, "broken": broken, "rounds": rounds})
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
