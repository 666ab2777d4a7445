"""Whether anything has become far slower: `./run bench --quick`.

Ratios that need no whole system: orders over HTTP beside pgbench, and a consumer's batches beside a
transaction a command. Both sides of a ratio take turns on the same two cores, so it hardly depends on the
machine; what is committed in `results/quick.json` is a baseline for all. A ratio below half of its baseline
is measured once more: only what collapses twice fails, with exit code 1. `--keep` makes what was measured
the new baseline.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks import api, consumer
from benchmarks.databases import Databases, databases
from benchmarks.system import RESULTS
from contracts.services import INVENTORY, ORDER
from runtime.errors import NeverlostError

CORES, ROUNDS, SECONDS, WARM_UP_SECONDS = 2, 3, 3.0, 2.0
COMMANDS = 2_000
COLLAPSED = 0.5
BASELINE = RESULTS / "quick.json"

Ratios = Mapping[str, float]


def measure() -> Ratios:
    """Medians of a few short rounds."""
    with databases([ORDER.name, INVENTORY.name]) as made:
        return {"api ÷ pgbench": _api(made), "batches ÷ one at a time": _consumer(made)}


def _api(made: Databases) -> float:
    with api.service(made) as (port, _):
        api.closed_loop(port, WARM_UP_SECONDS)
        ratio = median(
            api.closed_loop(port, SECONDS) / (len(api.pgbench(made, SECONDS)) / SECONDS)
            for _ in range(ROUNDS)
        )
    if not api.whole(made.server):
        raise NeverlostError("an order has not all that belongs to it")
    return ratio


def _consumer(made: Databases) -> float:
    with consumer.shop(made) as on:
        consumer.one_round(on, COMMANDS, None)  # It warms up.
        rounds = [consumer.one_round(on, COMMANDS, None) for _ in range(ROUNDS)]
        if broken := on.broken():
            raise NeverlostError(f"commands have not had each effect once: {broken}")
    return float(median(each["ratio_to_single"] for each in rounds))


def collapsed(found: Ratios, baseline: Ratios) -> list[str]:
    """The names of the ratios that are less than half of what they were; a new one has none to be half of."""
    return [name for name, was in baseline.items() if name in found and found[name] < was * COLLAPSED]


def table(found: Ratios, baseline: Ratios) -> Table:
    shown = Table("ratio", "baseline", "now", "of baseline", "")
    bad = collapsed(found, baseline)
    for name, now in found.items():
        was = baseline.get(name)
        compared = (f"{was:.3g}", f"{now:.3g}", f"{now / was:.0%}") if was else ("", f"{now:.3g}", "")
        shown.add_row(name, *compared, "collapsed" if name in bad else "")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write the baseline")
    asked = parser.parse_args()
    # More cores would help pgbench alone: a Python process has its lock. Children keep to them too.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    baseline: Ratios = json.loads(BASELINE.read_text()) if BASELINE.exists() and not asked.keep else {}
    found = measure()
    if collapsed(found, baseline):
        again = measure()
        found = {name: max(now, again[name]) for name, now in found.items()}
    Console().print(table(found, baseline))
    if asked.keep:
        kept = {name: round(now, 3) for name, now in found.items()}
        BASELINE.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    sys.exit(1 if collapsed(found, baseline) else 0)


if __name__ == "__main__":
    main()
