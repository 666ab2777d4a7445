"""How long a reader waits after `kill -9`, and whether a busy system takes the living for dead.

`./run bench failover` measures the rate of whole sagas, then, at half of it, the longest time in
which nothing of a service's became visible to a read_committed reader, after each kill. `--steady SECONDS`
keeps the system at its full rate instead, kills nothing, and counts who was given up all the same.
"""

import argparse
import json
import time
from collections.abc import Sequence
from random import Random

from benchmarks.system import RESULTS, Bench, Figures, bench, spread
from chaos.kills import Kill
from chaos.targets import ROLES, Choice, choose
from connect.client import ConnectClient, ConnectError
from contracts.services import SERVICES
from runtime.waiting import Backoff, until
from stack.layout import Layout

WATCH_SECONDS, SATURATED_SECONDS = 45.0, 40.0
CALM_SECONDS_MAX = 90.0
_ONE_TRY = Backoff(attempts=1, first_seconds=0)
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


def kill(on: Bench, choice: Choice, chance: Random) -> Figures:
    """One kill, with what it came to; ends once events flow steadily again."""
    cluster = on.ground.cluster()
    targets = choose(choice, on.ground.targets, cluster.holder_of, on.ground.names, chance)
    began = time.monotonic()
    effect = Kill().strike(on.ground, targets).heal(WATCH_SECONDS)
    _until_connect_is_whole(on.layout)
    calm = on.watch.until_steady(SOURCES, time.monotonic(), CALM_SECONDS_MAX)
    pauses = {source: round(on.watch.pause(began, source), 2) for source in SOURCES}
    told = {"choice": str(choice), "hit": [target.name for target in targets], "calm": calm}
    told |= {"back_after_seconds": effect.get("back_after_seconds"), "pauses": pauses}
    return {**told, "pause": max(pauses.values())}


def _until_connect_is_whole(layout: Layout) -> None:
    """A worker that comes back takes tasks over again: that pause is a part of what its death came to."""

    def is_whole() -> bool:
        for url in layout.connect_urls.split(","):
            ConnectClient([url], timeout_seconds=5, retries=_ONE_TRY).check_health()
        return True

    until(is_whole, within_seconds=WATCH_SECONDS, what="the workers", retry_on=(ConnectError,))


def measure_kills(on: Bench, rounds: int, kinds: Sequence[str], half: float | None) -> Figures:
    half = half or on.saturate(SATURATED_SECONDS)["sagas_a_second"] / 2
    found: list[Figures] = []
    wanted = [each for each in KILLS if not kinds or each.kind in kinds]
    seconds = rounds * len(wanted) * (WATCH_SECONDS + CALM_SECONDS_MAX)
    with on.load(half, seconds) as (load, _):
        on.watch.until_steady(SOURCES, time.monotonic(), CALM_SECONDS_MAX)
        for number in range(rounds):
            for choice in wanted:
                found.append(kill(on, choice, Random(f"{number}/{choice}")))  # noqa: S311 - no secret
                print(json.dumps(found[-1]), flush=True)  # noqa: T201 - what the command is for
        counts = dict(load.counts)
    by_choice = {str(c): spread([f["pause"] for f in found if f["choice"] == str(c)]) for c in wanted}
    return {"load": round(half, 1), "kills": by_choice, "orders": counts}


def measure_steady(on: Bench, seconds: float) -> Figures:
    """At the full rate, for so long: who was given up though nobody was killed."""
    before = {name: _count(on.layout, *where) for name, where in GIVEN_UP.items()}
    figures = on.saturate(seconds)
    return figures | {name: _count(on.layout, *where) - before[name] for name, where in GIVEN_UP.items()}


def _count(layout: Layout, process: str, words: str) -> int:
    return sum(path.read_text(errors="replace").count(words) for path in layout.logs.glob(f"{process}*.log"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=(), help="kinds: broker, connect, worker, database")
    parser.add_argument("--load", type=float, help="orders a second  [default: half of the measured rate]")
    parser.add_argument("--steady", type=float, metavar="SECONDS")
    asked = parser.parse_args()
    with bench("failover") as on:
        if asked.steady:
            name, figures = "steady", measure_steady(on, asked.steady)
        else:
            name, figures = "failover", measure_kills(on, asked.rounds, asked.only, asked.load)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main()
