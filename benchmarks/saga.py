"""How many orders the whole system brings to their end, and how soon: `./run bench saga`.

Everything is on: exactly once, auditor, supervisor. The rate is that of orders that ended, a bounded number
under way; how long one takes is counted from when it was meant to be sent until its end was in Kafka, for a
read_committed reader. The floor is the same database work in the same databases, with no saga between.
"""

import argparse
import json
import platform
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from benchmarks.floor import floor
from benchmarks.system import GOOD, MIXED, RESULTS, Bench, Figures, bench, spread
from chaos.history import operations, read
from chaos.measures import percentile
from runtime.waiting import until

RATE_SECONDS, LATENCY_SECONDS, FLOOR_SECONDS = 30.0, 30.0, 10.0
SLOW_RATE = 10.0
SETTLE_SECONDS_MAX = 120.0


def latency(on: Bench, rate: float) -> Figures:
    """Milliseconds from when an order was to be sent until its end could be read."""
    with on.load(rate, LATENCY_SECONDS) as (load, path):
        load.join()
    placed = {
        each.end.value["order_id"]: each.end.wall - each.end.at + (each.begin.intended or each.begin.at)
        for each in operations(read(path))
        if each.end and each.end.type == "ok"
    }
    until(
        lambda: placed.keys() <= on.watch.ended.keys(),
        within_seconds=SETTLE_SECONDS_MAX,
        what="the last orders",
    )
    took = sorted((on.watch.ended[order_id] - meant) * 1000 for order_id, meant in placed.items())
    return {"rate": round(rate, 1), "orders": len(took)} | {
        f"p{share * 100:g}": round(percentile(took, share), 1) for share in (0.5, 0.99)
    }


def one_round(on: Bench) -> Figures:
    """Every question once, so that repeats of one are not done in a row."""
    good, mixed = on.saturate(RATE_SECONDS, GOOD), on.saturate(RATE_SECONDS, MIXED)
    rates = {"slow": SLOW_RATE, "half": mixed["sagas_a_second"] / 2}
    found = {
        "good": good,
        "mixed": mixed,
        "floor": floor(on.layout, FLOOR_SECONDS),
        **{name: latency(on, rate) for name, rate in rates.items()},
    }
    found["ratio"] = round(mixed["sagas_a_second"] / found["floor"]["sagas_a_second"], 3)
    return found


def summary(rounds: list[Figures]) -> Figures:
    """Of each figure the least, the median and the most."""
    wanted: Mapping[str, tuple[str, ...]] = {
        "good": ("sagas_a_second", "cpu_ms_a_saga"),
        "mixed": ("sagas_a_second", "cpu_ms_a_saga"),
        "floor": ("sagas_a_second",),
        "slow": ("p50", "p99"),
        "half": ("rate", "p50", "p99"),
    }
    told = {
        name: {key: spread([each[name][key] for each in rounds]) for key in keys}
        for name, keys in wanted.items()
    }
    return told | {"ratio": spread([each["ratio"] for each in rounds])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with bench("saga") as on:
        on.saturate(RATE_SECONDS)  # It warms up.
        rounds = [one_round(on) for _ in range(asked.rounds)]
        broken = on.broken()
    figures = {"machine": platform.platform(), **summary(rounds), "broken": broken, "rounds": rounds}
    RESULTS.mkdir(exist_ok=True)
    (Path(RESULTS) / "saga.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps({name: figures[name] for name in chain(summary(rounds), ["broken"])}, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
