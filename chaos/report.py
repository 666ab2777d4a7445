"""What is published of a run: result.json for programs, report.html for people who doubt it.

Failed runs are published like good ones, with what broke. The page needs nothing but itself.
"""

import hashlib
import json
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from jinja2 import Environment, PackageLoader, StrictUndefined

from chaos import drawing, measures
from chaos.checker_answers import accepted
from chaos.drawing import draw
from chaos.evidence import Evidence
from chaos.history import Operation
from chaos.measures import Series, Struck, percentile
from chaos.verdict import Judgement, Result, is_as_meant, not_tried

RESULT, PAGE = "result.json", "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What was run. `kinds` names the faults of a whole round, "kill: leader broker".

    `settings` is whatever shaped it; only its hash is published.
    """

    scenario: str
    sentence: str = ""
    seed: int
    command: str
    kinds: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, and what was made of it."""

    about: About
    operations: Sequence[Operation]
    evidence: Evidence
    results: Sequence[Result]
    judgement: Judgement


def write(folder: Path, run: Run) -> dict[str, Any]:
    """Write both files, and answer with what result.json holds."""
    folder.mkdir(parents=True, exist_ok=True)
    struck = measures.struck(run.operations, run.evidence)
    told = summary(run, struck)
    (folder / RESULT).write_text(json.dumps(told, indent=2) + "\n")
    size = {
        "width": drawing.WIDTH,
        "height": drawing.HEIGHT,
        "left": drawing.LEFT,
        "right": drawing.RIGHT,
        "top": drawing.TOP,
        "inner": drawing.HEIGHT - drawing.TOP - drawing.BOTTOM,
    }
    page = _template().render(told=told, struck=struck, pictures=_pictures(run, struck), size=size)
    (folder / PAGE).write_text(page)
    return told


def summary(run: Run, struck: Sequence[Struck]) -> dict[str, Any]:
    """What result.json holds."""
    placed = {each.begin.key for each in run.operations if each.begin.kind == "place"}
    own = accepted(run.operations)
    began = min((each.begin.wall for each in run.operations), default=0.0)
    return {
        "scenario": run.about.scenario,
        "sentence": run.about.sentence,
        "verdict": run.judgement.verdict,
        "reasons": list(run.judgement.reasons),
        "seed": run.about.seed,
        "command": run.about.command,
        "began": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "duration_seconds": round(measures.length(run.operations), 1),
        "orders": len(placed),
        "events": sum(event.key in own for event in run.evidence.outbox),
        "bounds": _bounds(run, len(placed), sum(bool(each.effect) for each in struck)),
        "operations": _operations(run.operations),
        "faults": _by_kind(struck),
        "not_tried": not_tried(run.operations, run.about.kinds),
        "invariants": [_invariant(each) for each in run.results],
        "versions": dict(run.about.versions),
        "machine": machine(),
        "settings_sha256": hashlib.sha256(
            json.dumps(run.about.settings, sort_keys=True, default=str).encode()
        ).hexdigest(),
    }


def _bounds(run: Run, orders: int, faults: int) -> dict[str, float]:
    """The rule of three, for orders and for faults that took effect: what a run without a violation shows."""
    counted = {"orders": orders, "faults": faults}
    if run.judgement.verdict == "invalid":
        return {}
    return {name: min(1.0, 3 / number) for name, number in counted.items() if number}


def _invariant(told: Result) -> dict[str, Any]:
    return {**asdict(told), "violations": list(told.violations), "bound": told.bound}


def machine() -> dict[str, Any]:
    """What a run was measured on."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
    }


def _operations(operations: Sequence[Operation]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for each in operations:
        if each.begin.kind != "fault":
            counted = counts.setdefault(each.begin.kind, Counter(ok=0, fail=0, unknown=0, as_meant=0))
            counted[each.outcome] += 1
            counted["as_meant"] += is_as_meant(each)
    return {kind: dict(counted) for kind, counted in sorted(counts.items())}


def _by_kind(struck: Sequence[Struck]) -> list[dict[str, Any]]:
    kinds: dict[str, list[Struck]] = {}
    for each in struck:
        kinds.setdefault(each.name, []).append(each)
    return [_kind(name, faults) for name, faults in sorted(kinds.items())]


def _kind(name: str, faults: Sequence[Struck]) -> dict[str, Any]:
    took = [each.recovery for each in faults if each.recovery is not None]
    outages = [each.outage for each in faults if each.outage is not None]
    pauses = [each.pause for each in faults if each.pause is not None]
    return {
        "fault": name,
        "count": len(faults),
        "effective": sum(bool(each.effect) for each in faults),
        "recovery_p50_seconds": round(percentile(took, 0.5), 2) if took else None,
        "recovery_max_seconds": round(max(took), 2) if took else None,
        "outage_max_seconds": round(max(outages), 2) if outages else None,
        "pause_max_seconds": round(max(pauses), 2) if pauses else None,
    }


def _pictures(run: Run, struck: Sequence[Struck]) -> list[drawing.Picture]:
    operations, evidence, seconds = run.operations, run.evidence, measures.length(run.operations)
    shown: list[tuple[str, str, Mapping[str, Series]]] = [
        (
            "Orders",
            "a second",
            {
                "accepted": measures.accepted_per_second(operations),
                "came to their end": measures.finished_per_second(operations, evidence),
            },
        ),
        (
            "Latency of placing an order",
            "s",
            {"p50": measures.latency(operations, 0.5), "p99": measures.latency(operations, 0.99)},
        ),
        (
            "Lag",
            "at once",
            {
                "events in an outbox and not in their topic yet": measures.events_on_their_way(
                    operations, evidence
                ),
                "orders accepted and not at their end": measures.orders_on_their_way(operations, evidence),
            },
        ),
    ]
    # One scale of time for all: what happened together stands together.
    ends = (second for _, _, series in shown for line in series.values() for second, _ in line)
    seconds = max([seconds, *ends])
    return [draw(title, unit, series, struck, seconds) for title, unit, series in shown]


def _template() -> Any:
    """Everything is escaped: ids, errors and names come from outside."""
    environment = Environment(
        loader=PackageLoader("chaos"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = lambda value: f"{float(f'{value * 100:.2g}'):g} %"
    environment.filters["seconds"] = lambda value: "–" if value is None else f"{value:.1f} s"
    return environment.get_template("report.html.j2")
