"""How soon after its start a system has brought an order to its end, and what it holds: `./run bench start`.

Cold is a start on a new folder, with databases, topics, slots and connectors to be made; warm is the next
one on the same folder, after everything was stopped. Jars and the archives of their classes are there. The
order is placed as soon as the system calls itself ready, and its end is asked for every ten milliseconds.
"""

import argparse
import sys
import time
from typing import Any

from rich.console import Console

from benchmarks import memory
from benchmarks.keeping import keep, measured_on
from benchmarks.system import Figures, spread
from stack import demo, launch, prey
from stack.launch import Wish

ROUNDS = 3
CASE = demo.Case("the first order", expected="COMPLETED")


def start(wish: Wish) -> Figures:
    """Seconds from the start; MB, right after the first order."""
    began = time.monotonic()
    with launch.running(wish, Console(stderr=True)) as started:
        ready = time.monotonic() - began
        customer = demo.Customer(prey.layout_of(wish.state, started))
        journey = customer.place(CASE)
        customer.follow([journey])
        took = time.monotonic() - began
        by_component = memory.held(wish.state)
    return {
        "ready_seconds": round(ready, 2),
        "completed_seconds": round(took, 2),
        "memory_mb": round(sum(by_component.values()), 1),
        "memory_mb_by_component": dict(by_component),
        "ready_seconds_by_node": {node.name: round(node.seconds or 0.0, 1) for node in started.nodes},
        "ended_well": journey.ended_well,
    }


def one_round() -> dict[str, Figures]:
    with launch.temporary("start") as wish:
        return {"cold": start(wish), "warm": start(wish)}


def summary(starts: list[Figures]) -> Figures:
    """Of each figure the least, the median and the most; memory by component too."""
    told: dict[str, Any] = {
        name: spread([each[name] for each in starts])
        for name in ("ready_seconds", "completed_seconds", "memory_mb")
    }
    by_component = [each["memory_mb_by_component"] for each in starts]
    names = [name for name in by_component[0] if all(name in each for each in by_component)]
    told["memory_mb_by_component"] = {name: spread([each[name] for each in by_component]) for name in names}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    rounds = [one_round() for _ in range(asked.rounds)]
    told = {kind: summary([each[kind] for each in rounds]) for kind in ("cold", "warm")}
    keep("start", {**measured_on(), **told, "rounds": rounds})
    sys.exit(0 if all(start["ended_well"] for each in rounds for start in each.values()) else 1)


if __name__ == "__main__":
    main()
