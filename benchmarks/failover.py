"""How long a reader waits after `kill -9`, and whether a busy system takes the living for dead.

`python -m benchmarks.failover` measures the rate of whole sagas, then, at half of it, the longest time in
which nothing of a service's became visible to a read_committed reader, after each kill. `--steady SECONDS`
keeps the system at its full rate instead, kills nothing, and counts who was given up all the same.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console

from benchmarks.arrivals import StopWatch
from chaos import orders
from chaos.faults import Ground, Kill
from chaos.history import History
from chaos.orders import Mix
from chaos.targets import ROLES, Choice, choose
from chaos.workload import Workload
from contracts.services import SERVICES
from runtime.waiting import until
from stack import launch, prey
from stack.layout import Layout

RESULTS = Path(__file__).parent / "results"
MIX = Mix(
    orders=(
        (80, "tok_ok", (("PIZZA", 1),)),
        (10, "tok_declined", (("PIZZA", 1),)),
        (10, "tok_ok", (("SOLD-OUT", 1),)),
    ),
    repeated_at_once=0,
    repeated_later=0,
    other_body=0,
    cancelled=0,
    looked_at=0,
)
BURST_ORDERS, CLIENTS = 3000, 12
# What is sent in a burst comes faster than it can be worked off, so that the rate is the system's own.
BURST_RATE = 600.0
WATCH_SECONDS = 45.0
CALM_SECONDS_MAX = 90.0
KILLS = (
    *(Choice("broker", role) for role in ROLES),
    Choice("connect"),
    *(Choice("worker", "member", service.name) for service in SERVICES),
    Choice("database"),
)
SOURCES = tuple(service.name for service in SERVICES)
# What a controller, a group's coordinator and a Connect worker write when they give somebody up.
GIVEN_UP = {
    "brokers fenced": ("broker-", "Fencing broker"),
    "members given up": ("broker-", "has failed, removing it"),
    "connect rebalances": ("connect-", "Rebalance started"),
}

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """A running stack with a stop-watch beside it."""

    layout: Layout
    ground: Ground
    watch: StopWatch
    folder: Path

    @contextmanager
    def load(self, rate: float, seconds: float) -> Iterator[Workload]:
        """Orders at a rate, for as long as the `with` lasts, and at most so many seconds."""
        stop = threading.Event()
        plan = orders.plan(1, int(rate * seconds), rate, MIX, run=f"{time.time_ns():x}-")
        with History(self.folder / f"{time.time_ns():x}.jsonl") as history:
            load = Workload(self.layout.url("order"), history, stop)
            load.start(plan, CLIENTS)
            try:
                yield load
            finally:
                stop.set()
                load.join()

    def rate(self) -> float:
        """Sagas a second between the first tenth and the last of a burst."""
        before = len(self.watch.ends)
        with self.load(BURST_RATE, BURST_ORDERS / BURST_RATE) as load:
            load.join()
            wanted = before + load.counts["accepted"]
            until(lambda: len(self.watch.ends) >= wanted, within_seconds=180, what="the burst to end")
        times = self.watch.ends[before + len(self.watch.ends[before:]) // 10 : -BURST_ORDERS // 10]
        return (len(times) - 1) / (times[-1] - times[0])

    def kill(self, choice: Choice, chance: Random) -> Figures:
        """One kill, with what it came to; ends once events flow steadily again."""
        cluster = self.ground.cluster()
        targets = choose(choice, self.ground.targets, cluster.holder_of, self.ground.names, chance)
        began = time.monotonic()
        effect = Kill().strike(self.ground, targets).heal(WATCH_SECONDS)
        calm = self.watch.until_steady(SOURCES, time.monotonic(), CALM_SECONDS_MAX)
        pauses = {source: round(self.watch.pause(began, source), 2) for source in SOURCES}
        names = [target.name for target in targets]
        return {
            "choice": str(choice),
            "hit": names,
            "back": effect.get("back_after_seconds"),
            "calm": calm,
        } | {
            "pause": max(pauses.values()),
            "pauses": pauses,
        }


@contextmanager
def bench() -> Iterator[Bench]:
    with (
        launch.temporary("failover") as wish,
        launch.running(wish, Console(stderr=True)) as started,
        tempfile.TemporaryDirectory() as folder,
    ):
        layout = prey.layout_of(wish.state, started)
        with StopWatch(prey.direct_servers(layout)) as watch:
            yield Bench(layout, prey.ground_of(layout, started), watch, Path(folder))


def measure_kills(on: Bench, rounds: int, kinds: Sequence[str], half: float | None) -> Figures:
    on.rate()  # The first burst warms up.
    half = half or on.rate() / 2
    found: list[Figures] = []
    wanted = [each for each in KILLS if not kinds or each.kind in kinds]
    seconds = rounds * len(wanted) * (WATCH_SECONDS + CALM_SECONDS_MAX)
    with on.load(half, seconds) as load:
        on.watch.until_steady(SOURCES, time.monotonic(), CALM_SECONDS_MAX)
        for number in range(rounds):
            for choice in wanted:
                found.append(on.kill(choice, Random(f"{number}/{choice}")))  # noqa: S311 - no secret
                print(json.dumps(found[-1]), flush=True)  # noqa: T201 - what the command is for
        counts = dict(load.counts)
    by_choice = {str(c): _spread([f["pause"] for f in found if f["choice"] == str(c)]) for c in wanted}
    return {"load": round(half, 1), "kills": by_choice, "orders": counts}


def measure_steady(on: Bench, seconds: float) -> Figures:
    on.rate()
    rate = on.rate()
    before = {name: _count(on.layout, *where) for name, where in GIVEN_UP.items()}
    ended = len(on.watch.ends)
    began = time.monotonic()
    with on.load(rate, seconds) as load:
        load.join()
    reached = (len(on.watch.ends) - ended) / (time.monotonic() - began)
    after = {name: _count(on.layout, *where) - before[name] for name, where in GIVEN_UP.items()}
    return {"sagas_a_second": round(rate, 1), "reached": round(reached, 1), "seconds": seconds, **after}


def _count(layout: Layout, process: str, words: str) -> int:
    return sum(path.read_text(errors="replace").count(words) for path in layout.logs.glob(f"{process}*.log"))


def _spread(values: Sequence[float]) -> Figures:
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "n": len(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=(), help="kinds: broker, connect, worker, database")
    parser.add_argument("--load", type=float, help="orders a second  [default: half of the measured rate]")
    parser.add_argument("--steady", type=float, metavar="SECONDS")
    asked = parser.parse_args()
    with bench() as on:
        if asked.steady:
            name, figures = "steady", measure_steady(on, asked.steady)
        else:
            name, figures = "failover", measure_kills(on, asked.rounds, asked.only, asked.load)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main()
