"""One run: warm up, orders and faults side by side, heal, let it come to rest, judge."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos import orders
from chaos.conclusion import HISTORY, conclude
from chaos.evidence import Endpoints
from chaos.faults import Ground
from chaos.guard import Guard
from chaos.history import History
from chaos.nemesis import Nemesis
from chaos.orders import Mix
from chaos.report import About
from chaos.scenario import Scenario, kinds, plan
from chaos.workload import Workload

WARM_UP_ORDERS, WARM_UP_RATE = 12, 4.0
TELL_EVERY_SECONDS = 5.0
LAST_ORDERS_SECONDS = 1.0
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
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.orders / self.rate

    @property
    def history_file(self) -> Path:
        return self.folder / HISTORY


@dataclass(frozen=True, slots=True)
class Fought:
    """What happened, in numbers: answers by kind and outcome, faults, and those that were seen to work."""

    counts: Counter[str]
    faults: int
    seen: int


def fight(attack: Attack, ground: Ground, stop: threading.Event, tell: Tell) -> Fought:
    """Orders and faults until both are over, or `stop` is set. Whatever happens, it is healed at the end."""
    run = f"{time.time_ns() // 1_000_000:x}-"
    with History(attack.history_file) as history, Guard() as ground.guard:
        _warm_up(attack, history, stop, run)
        load = Workload(attack.order_url, history, stop)
        nemesis = Nemesis(ground, history, stop, lambda line: tell(f"{history.now():6.1f} s  {line}"))
        steps = plan(attack.scenario, attack.seed, attack.seconds)
        # A fault that strikes when everything was asked for proves nothing.
        last = history.now() + attack.seconds - LAST_ORDERS_SECONDS
        striking = threading.Thread(
            target=nemesis.run, args=(steps, attack.seed, lambda: history.now() > last)
        )
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
    return Fought(load.counts, nemesis.faults, nemesis.seen)


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


def judge(attack: Attack, endpoints: Endpoints, tell: Tell) -> dict[str, Any]:
    """Let it come to rest, gather, check, publish; what result.json holds."""
    about = About(
        scenario=attack.scenario.name,
        sentence=attack.scenario.sentence,
        seed=attack.seed,
        command=attack.command,
        kinds=kinds(attack.scenario, attack.seed),
        versions=attack.versions,
        settings={"orders": attack.orders, "rate": attack.rate, "seed": attack.seed},
    )
    return conclude(attack.folder, endpoints, about, tell=tell)
