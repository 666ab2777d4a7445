"""A whole stack under load, with a stop-watch beside it: what benchmarks of the system have in common."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from benchmarks import cpu, sql
from benchmarks.arrivals import StopWatch
from benchmarks.feeder import CLIENTS, Feeder
from chaos import orders
from chaos.checker import check
from chaos.collect import collect, connected
from chaos.faults import Ground
from chaos.history import History
from chaos.orders import Mix
from chaos.rest import at_rest
from chaos.workload import Workload
from connect import jars
from contracts.services import ORDER
from stack import java, launch, prey
from stack.layout import Layout

RESULTS = Path(__file__).parent / "results"
NOTHING_ELSE = {"repeated_at_once": 0, "repeated_later": 0, "other_body": 0, "cancelled": 0, "looked_at": 0}
GOOD = Mix(orders=((100, "tok_ok", (("PIZZA", 1),)),), **NOTHING_ELSE)
MIXED = Mix(
    orders=(
        (80, "tok_ok", (("PIZZA", 1),)),
        (10, "tok_declined", (("PIZZA", 1),)),
        (10, "tok_ok", (("SOLD-OUT", 1),)),
    ),
    **NOTHING_ELSE,
)
# A JVM compiles what it does often, and until then it is slow.
WARM_UP_SECONDS = 40.0
# Until as many orders are under way as may be.
FILL_SECONDS = 10.0
REST_SECONDS = 120
# What the versions of a system are told by.
_JARS = {"kafka": "kafka-clients", "debezium": "debezium-connector-postgres"}

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """A running stack with a stop-watch beside it."""

    layout: Layout
    ground: Ground
    watch: StopWatch
    folder: Path

    @contextmanager
    def load(self, rate: float, seconds: float, mix: Mix = MIXED) -> Iterator[tuple[Workload, Path]]:
        """Orders at a rate while the `with` lasts, so many seconds at most; and where their history is."""
        stop, path = threading.Event(), self.folder / f"{time.time_ns():x}.jsonl"
        plan = orders.plan(1, int(rate * seconds), rate, mix, run=f"{path.stem}-")
        with History(path) as history:
            load = Workload(self.layout.url("order"), history, stop)
            load.start(plan, CLIENTS)
            try:
                yield load, path
            finally:
                stop.set()
                load.join()

    def warm_up(self, seconds: float) -> None:
        with Feeder(self.layout.url("order"), self.watch, MIXED).feeding():
            threading.Event().wait(seconds)

    def saturate(self, seconds: float, mix: Mix = MIXED, more: Mapping[str, int] | None = None) -> Figures:
        """As many orders as the system can end, some of them under way: sagas a second, and their cost.

        `more` are pids of what works beside the stack.
        """
        feeder = Feeder(self.layout.url("order"), self.watch, mix)
        with feeder.feeding():
            threading.Event().wait(FILL_SECONDS)
            before, ended, began = cpu.spent(self.layout, more or {}), self.watch.count, time.monotonic()
            threading.Event().wait(seconds)
            took, done = time.monotonic() - began, self.watch.count - ended
            spent = cpu.between(before, cpu.spent(self.layout, more or {}))
        return {
            "sagas_a_second": round(done / took, 1),
            "cpu_ms_a_saga": round(sum(spent.values()) / done * 1000, 1),
            "cpu_ms_by_component": {name: round(s / done * 1000, 2) for name, s in spent.items()},
            **feeder.counts,
        }

    def broken(self) -> list[str]:
        """What the run broke of the promises; a rate with a broken promise is no result."""
        endpoints = prey.endpoints_of(self.layout)
        still_open = at_rest(endpoints, REST_SECONDS)
        found = check(collect(endpoints, still_open), ())
        return [each.name for each in found if each.verdict == "invalid"] + still_open

    def versions(self) -> Figures:
        """Of what the system runs on besides Python."""
        with connected(prey.endpoints_of(self.layout), ORDER.name) as connection:
            postgres = connection.execute(sql.POSTGRES_VERSION).scalar_one()
        by_artifact = {jar.coordinates.artifact: jar.coordinates.version for jar in jars.listed()}
        told = {name: by_artifact[artifact] for name, artifact in _JARS.items()}
        return {"postgres": postgres, "java": java.major(java.find() or "java"), **told}


@contextmanager
def bench(
    name: str,
    *,
    local_gateway: bool = False,
    warm_up_seconds: float = WARM_UP_SECONDS,
    before: Callable[[Layout], None] | None = None,
) -> Iterator[Bench]:
    """A warm system of its own; with `local_gateway`, a charge is a local write of the executor's process.

    `before` is called while there are databases with their tables, and nothing else.
    """
    console = Console(stderr=True)
    with launch.temporary(name) as wish, tempfile.TemporaryDirectory() as folder:
        if before:
            with launch.running(replace(wish, only=("migrate",)), console) as started:
                before(prey.layout_of(wish.state, started))
        with launch.running(replace(wish, local_gateway=local_gateway), console) as started:
            layout = prey.layout_of(wish.state, started)
            with StopWatch(prey.direct_servers(layout)) as watch:
                on = Bench(layout, prey.ground_of(layout, started), watch, Path(folder))
                on.warm_up(warm_up_seconds)
                yield on


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """Of what was measured several times: the least, the median and the most."""
    low, middle, high = min(values), median(values), max(values)
    return {"min": round(low, 2), "median": round(middle, 2), "max": round(high, 2), "n": len(values)}
