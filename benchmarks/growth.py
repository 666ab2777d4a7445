"""Whether a system with a past is as fast as one without: `./run bench growth [ROWS …]`.

For each size a system of its own, with so many rows in every table that orders make grow. How many orders a
second come to their end, and how soon the relay makes a committed row visible on an otherwise idle system.
Then the same once more while a transaction in each database holds a snapshot from before: nothing that has
died since can be cleaned up, so rows that change often grow a tail of dead versions.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from sqlalchemy import text

from benchmarks import auditing, relay
from benchmarks.announcing import TOPIC
from benchmarks.history import fill
from benchmarks.keeping import keep, measured_on, spreads
from benchmarks.reader import Reader
from benchmarks.system import WARM_UP_SECONDS, Bench, Figures, bench
from contracts.services import SERVICES
from migrations.database import admin_engine
from stack import prey
from stack.layout import Layout
from stack.postgres import SUPERUSER

SIZES = (0, 1_000_000)
SECONDS, ROUNDS, RELAY_RATE = 30.0, 3, 100.0


def one_round(on: Bench, seconds: float) -> Figures:
    """Orders a second, and milliseconds from a row's commit until it was read."""
    found = on.saturate(seconds)
    with Reader(prey.direct_servers(on.layout), TOPIC) as reader:
        soon = relay.Bench(on.layout).latency(reader, RELAY_RATE, seconds)
    return {
        **{name: found[name] for name in ("sagas_a_second", "cpu_ms_a_saga")},
        **{f"relay_{name}": soon[name] for name in ("p50", "p99", "max")},
    }


@contextmanager
def old_snapshot(layout: Layout) -> Iterator[None]:
    """In each service's database a transaction that sees it as it is now, for as long as the `with` lasts."""
    with ExitStack() as held:
        for service in SERVICES:
            engine = admin_engine(prey.database(layout, SUPERUSER, service.database))
            held.callback(engine.dispose)
            reading = engine.execution_options(isolation_level="REPEATABLE READ").connect()
            held.enter_context(reading).execute(text("SELECT count(*) FROM dbz_heartbeat"))
        yield


def measure(rows: int, rounds: int, seconds: float, warm_up: float) -> Figures:
    began = time.monotonic()
    with bench("growth", local_gateway=True, warm_up_seconds=warm_up, before=partial(fill, rows=rows)) as on:
        ready = time.monotonic() - began
        plain = [one_round(on, seconds) for _ in range(rounds)]
        with old_snapshot(on.layout):
            held = [one_round(on, seconds) for _ in range(rounds)]
        broken, versions = auditing.against(on.layout), on.versions()
    told = {"plain": spreads(plain), "held": spreads(held)}
    return {"rows": rows, "ready_seconds": round(ready, 1), **told, "broken": broken, "versions": versions}


def ratios(sizes: Sequence[Figures]) -> list[Figures]:
    """Of medians: each size beside the first, which is the smallest; and its held snapshot beside none."""
    return [
        {
            "rows": each["rows"],
            "sagas_to_first": _median(each, "plain") / _median(sizes[0], "plain"),
            "sagas_held_to_plain": _median(each, "held") / _median(each, "plain"),
            "relay_p99_to_first": _median(each, "plain", "relay_p99")
            / _median(sizes[0], "plain", "relay_p99"),
        }
        for each in sizes
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sizes", type=int, nargs="*", default=SIZES, metavar="ROWS", help="rows in each table"
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="of each size, without a snapshot and with"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each question is asked")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_SECONDS, help="seconds, once a system")
    asked = parser.parse_args()
    sizes = [measure(rows, asked.rounds, asked.seconds, asked.warm_up) for rows in sorted(set(asked.sizes))]
    by_rows = {str(each["rows"]): each for each in sizes}
    figures = {"seconds": asked.seconds, "relay_rate": RELAY_RATE, "ratios": ratios(sizes), "rows": by_rows}
    keep("growth", {**measured_on("sqlalchemy", "psycopg"), **figures})
    sys.exit(1 if any(each["broken"] for each in sizes) else 0)


def _median(size: Figures, kind: str, name: str = "sagas_a_second") -> float:
    return float(size[kind][name]["median"])


if __name__ == "__main__":
    main()
