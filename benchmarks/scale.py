"""What more workers, another number of partitions, and 100,000 orders under way change: `./run bench scale`.

Each way has a system of its own: how many orders a second come to their end there, and what one costs. One
after another; the floor is the system as it is started everywhere (one worker a service, three partitions,
nothing under way), measured first and once more at the end: so it is seen what differences are worth.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import urllib3

from benchmarks import auditing, copies
from benchmarks.history import begin
from benchmarks.keeping import keep, measured_on, spreads
from benchmarks.system import WARM_UP_SECONDS, Figures, bench
from chaos.targets import Target
from contracts.topics import PARTITIONS
from runtime.errors import NeverlostError
from runtime.waiting import until
from stack import prey
from stack.layout import Layout
from stack.leash import leashed
from stack.ports import HOST

SECONDS, ROUNDS, READY_SECONDS_MAX = 30.0, 3, 60.0
STOP_SECONDS_MAX = 90
_FIGURES = ("sagas_a_second", "cpu_ms_a_saga")


@dataclass(frozen=True, slots=True)
class Way:
    """A system to be measured: partitions of each topic, workers of each service, orders that wait."""

    partitions: int
    workers: int = 1
    under_way: int = 0


# Numbers, not PARTITIONS: a copy reads them too, and there that is another.
FLOOR, AGAIN = "as usual", "as usual once more"
WAYS = {
    FLOOR: Way(3),
    "2 workers": Way(3, workers=2),
    "4 workers": Way(3, workers=4),
    "1 partition": Way(1),
    "2 partitions": Way(2),
    "6 partitions": Way(6),
    "100,000 under way": Way(3, under_way=100_000),
    AGAIN: Way(3),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How long each way is measured, and how often."""

    rounds: int = ROUNDS
    seconds: float = SECONDS
    warm_up: float = WARM_UP_SECONDS

    def arguments(self) -> list[str]:
        numbers = {"--rounds": self.rounds, "--seconds": self.seconds, "--warm-up": self.warm_up}
        return [part for name, number in numbers.items() for part in (name, str(number))]


def measure(name: str, wanted: Wanted) -> Figures:
    """Of a way whose number of partitions is not ours, in a copy of everything that says that number."""
    way = WAYS[name]
    return here(way, wanted) if way.partitions == PARTITIONS else _in_a_copy(name, way, wanted)


def here(way: Way, wanted: Wanted) -> Figures:
    """Raises LookupError where contracts say another number of partitions, or a worker of ours has ended."""
    if way.partitions != PARTITIONS:
        raise LookupError(f"{way.partitions} partitions are asked for, and contracts say {PARTITIONS}")
    before = partial(begin, orders=way.under_way) if way.under_way else None
    with bench("scale", local_gateway=True, warm_up_seconds=0, before=before) as on:
        with _more_workers(on.layout, way.workers - 1) as more:
            until(lambda: all(map(_is_ready, more)), within_seconds=READY_SECONDS_MAX, what="more workers")
            on.warm_up(wanted.warm_up)
            pids = _pids(more)
            rounds = [on.saturate(wanted.seconds, more=pids) for _ in range(wanted.rounds)]
            _pids(more)
        broken, versions = auditing.against(on.layout), on.versions()
    figures = [{figure: each[figure] for figure in _FIGURES} for each in rounds]
    return {**spreads(figures), "broken": broken, "versions": versions, "rounds": rounds}


def _more_workers(layout: Layout, number: int) -> AbstractContextManager[tuple[Target, ...]]:
    return prey.twins(layout, number) if number else nullcontext(())


def _pids(workers: Sequence[Target]) -> dict[str, int]:
    found = {worker.name: worker.find() for worker in workers}
    if ended := [name for name, process in found.items() if process is None]:
        raise LookupError(f"{', '.join(ended)} ended")
    return {name: process.pid for name, process in found.items() if process}


def _is_ready(worker: Target) -> bool:
    try:
        answer = urllib3.request("GET", f"http://{HOST}:{worker.port}/readyz", timeout=2, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == HTTPStatus.OK


def _in_a_copy(name: str, way: Way, wanted: Wanted) -> Figures:
    with copies.with_partitions(way.partitions) as place:
        command = [sys.executable, "-m", "benchmarks.scale", "--here", name, *wanted.arguments()]
        leash = leashed(command, orphan_signal=signal.SIGINT)
        with subprocess.Popen(leash, cwd=place, stdout=subprocess.PIPE, text=True) as measuring:
            try:
                told, _ = measuring.communicate()
            finally:  # Ctrl-C reaches it too, and it stops its system before its folder goes.
                measuring.wait(STOP_SECONDS_MAX)
        if measuring.returncode:
            raise NeverlostError(f"{name} was not measured: what its copy said is above")
    found: Figures = json.loads(told)
    return found


def ratios(ways: dict[str, Figures]) -> Figures:
    """Of medians: each way beside the floor."""
    rates = {name: each["sagas_a_second"]["median"] for name, each in ways.items()}
    return {name: round(rate / rates[FLOOR], 2) for name, rate in rates.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each round lasts")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_SECONDS, help="seconds, once a system")
    parser.add_argument("--one", choices=WAYS, help="only this one; its figures are shown, and not kept")
    parser.add_argument("--here", choices=WAYS, help=argparse.SUPPRESS)  # what a copy is asked
    asked = parser.parse_args(arguments)
    wanted = Wanted(asked.rounds, asked.seconds, asked.warm_up)
    if asked.one or asked.here:
        found = here(WAYS[asked.here], wanted) if asked.here else measure(asked.one, wanted)
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    ways = {name: measure(name, wanted) for name in WAYS}
    about = measured_on("sqlalchemy", "psycopg", "kafka-python")
    keep("scale", {**about, "seconds": asked.seconds, "ratios": ratios(ways), "ways": ways})
    sys.exit(1 if any(each["broken"] for each in ways.values()) else 0)


if __name__ == "__main__":
    main()
