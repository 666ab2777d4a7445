"""How many orders the whole system brings to their end, and how soon: `./run bench saga`.

Everything is on: exactly once, auditor, supervisor; a charge is a local write of the executor's. The rate is
that of orders that ended, a bounded number under way. How long one takes is counted from when it was meant to
be sent until its final status was in the order service's database; and, as `told`, until a read_committed
reader had it from Kafka. The floor is the same database work in the same databases, with no saga between.
"""

import argparse
import sys
from collections.abc import Mapping

from benchmarks.floor import floor
from benchmarks.keeping import keep, measured_on
from benchmarks.latency import latency
from benchmarks.system import GOOD, MIXED, WARM_UP_SECONDS, Bench, Figures, bench, spread

SECONDS, FLOOR_SECONDS_MAX = 30.0, 10.0
SLOW_RATE = 10.0
PACKAGES = ("sqlalchemy", "psycopg", "kafka-python", "confluent-kafka", "flask", "gunicorn", "pydantic")
_TIMES = ("p50", "p99", "told_p50", "told_p99")


def one_round(on: Bench, seconds: float) -> Figures:
    """Every question once, so that repeats of one are not done in a row."""
    good, mixed = on.saturate(seconds, GOOD), on.saturate(seconds, MIXED)
    rates = {"slow": SLOW_RATE, "half": mixed["sagas_a_second"] / 2}
    found = {
        "good": good,
        "mixed": mixed,
        "floor": floor(on.layout, min(seconds, FLOOR_SECONDS_MAX)),
        **{name: latency(on, rate, seconds) for name, rate in rates.items()},
    }
    found["ratio"] = round(mixed["sagas_a_second"] / found["floor"]["sagas_a_second"], 3)
    return found


def summary(rounds: list[Figures]) -> Figures:
    """Of each figure the least, the median and the most."""
    wanted: Mapping[str, tuple[str, ...]] = {
        "good": ("sagas_a_second", "cpu_ms_a_saga"),
        "mixed": ("sagas_a_second", "cpu_ms_a_saga"),
        "floor": ("sagas_a_second",),
        "slow": _TIMES,
        "half": ("rate", *_TIMES),
    }
    told = {
        name: {key: spread([each[name][key] for each in rounds]) for key in keys}
        for name, keys in wanted.items()
    }
    return told | {"ratio": spread([each["ratio"] for each in rounds])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each question is asked")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_SECONDS, help="seconds, once")
    asked = parser.parse_args()
    with bench("saga", local_gateway=True, warm_up_seconds=asked.warm_up) as on:
        rounds = [one_round(on, asked.seconds) for _ in range(asked.rounds)]
        broken, about = on.broken(), measured_on(*PACKAGES)
        about["versions"] |= on.versions()
    keep("saga", {**about, "seconds": asked.seconds, **summary(rounds), "broken": broken, "rounds": rounds})
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
