"""One run: warm up, orders and faults side by side, heal, let it come to rest, judge."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chaos import orders, scenarios
from chaos.faults import Ground
from chaos.history import History
from chaos.nemesis import Nemesis
from chaos.orders import Mix
from chaos.scenarios import Scenario
from chaos.workload import Workload

WARM_UP_ORDERS, WARM_UP_RATE = 12, 4.0
TELL_EVERY_SECONDS = 5.0
REST_SECONDS_MAX = 180.0
_PLAIN = Mix(repeated_at_once=0, repeated_later=0, other_body=0, cancelled=0, looked_at=0)

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What is to be done to which system, and where it is written down."""

    scenario: Scenario
    seed: int
    orders: int
    rate: float
    folder: Path
    order_url: str

    @property
    def seconds(self) -> float:
        return self.orders / self.rate

    @property
    def history_file(self) -> Path:
        return self.folder / "history.jsonl"


@dataclass(frozen=True, slots=True)
class Fought:
    """What happened, in numbers."""

    counts: Counter[str]
    faults: int
    faults_seen: int
    latest_seconds: float
    seconds: float


def fight(attack: Attack, ground: Ground, stop: threading.Event, tell: Tell) -> Fought:
    """Orders and faults until both are over, or `stop` is set. Whatever happens, it is healed at the end."""
    run = f"{time.time_ns() // 1_000_000:x}-"
    began = time.monotonic()
    with History(attack.history_file) as history:
        _warm_up(attack, history, stop, run)
        load = Workload(attack.order_url, history, stop)
        nemesis = Nemesis(ground, history, stop, lambda line: tell(f"{history.now():6.1f} s  {line}"))
        steps = scenarios.plan(attack.scenario, attack.seed, attack.seconds)
        striking = threading.Thread(target=nemesis.run, args=(steps, attack.seed, load.is_over))
        load.start(orders.plan(attack.seed, attack.orders, attack.rate, run=run))
        striking.start()
        try:
            _watch(load, nemesis, striking, lambda line: tell(f"{history.now():6.1f} s  {line}"))
        finally:
            # After an interrupt both end within the bounds of what they are at.
            if striking.is_alive() or not load.is_over():
                stop.set()
            striking.join()
            load.join()
    return Fought(load.counts, nemesis.faults, nemesis.seen, load.latest_seconds, time.monotonic() - began)


def _warm_up(attack: Attack, history: History, stop: threading.Event, run: str) -> None:
    """The first orders of a system are slow for reasons that no fault has."""
    warm = Workload(attack.order_url, history, stop, "warm-up")
    warm.start(orders.plan(attack.seed, WARM_UP_ORDERS, WARM_UP_RATE, _PLAIN, run=f"{run}warm-"), clients=2)
    warm.join()


def _watch(load: Workload, nemesis: Nemesis, striking: threading.Thread, tell: Tell) -> None:
    while striking.is_alive() or not load.is_over():
        striking.join(TELL_EVERY_SECONDS)
        if not striking.is_alive():
            load.join_for(TELL_EVERY_SECONDS)
        counts = load.counts
        tell(
            f"sent {counts['placed']}, accepted {counts['accepted']}, unknown answers {counts['unknown']},"
            f" {max(0.0, load.latest_seconds):.1f} s late; fault: {nemesis.current}"
        )


def write_summary(attack: Attack, fought: Fought) -> None:
    """What a program wants to know of a run that was not judged."""
    summary = {
        "scenario": attack.scenario.name,
        "seed": attack.seed,
        "orders": attack.orders,
        "rate": attack.rate,
        "counts": dict(sorted(fought.counts.items())),
        "faults": fought.faults,
        "faults_seen": fought.faults_seen,
        "seconds": round(fought.seconds, 1),
    }
    (attack.folder / "result.json").write_text(json.dumps(summary, indent=1) + "\n")
