"""The largest run that was judged, as a table in a document that runs themselves keep up to date."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PLACE = re.compile(r"<!-- largest (?P<known>\{.*?\}) -->.*?<!-- /largest -->", re.DOTALL)
_EMPTY = """# What faults have shown

Each run is judged by the checker in `chaos/` and writes the table below itself when it is the largest so far.
A run whose verdict is unknown proves nothing, so it is not noted; one that is invalid is.

<!-- largest {} --><!-- /largest -->
"""


def note_largest(path: Path, told: Mapping[str, Any]) -> bool:
    """Rewrite the table where this run, as result.json tells it, is larger; whether it was.

    Of two runs with as many orders, that one is larger in which more faults took effect.
    """
    text = path.read_text() if path.exists() else _EMPTY
    place = _PLACE.search(text)
    if place is None:
        raise ValueError(f"{path.name} has no place for the largest run")
    known = json.loads(place["known"])
    before = (known.get("orders", 0), known.get("faults", 0))
    if told["verdict"] == "unknown" or (told["orders"], _effective(told)) <= before:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text[: place.start()] + _block(told) + text[place.end() :])
    return True


def _block(told: Mapping[str, Any]) -> str:
    effective = _effective(told)
    checks = sum(each["checked"] for each in told["invariants"])
    broken = sum(each["found"] for each in told["invariants"])
    rows = {
        "scenario": told["scenario"],
        "verdict": f"**{told['verdict']}**",
        "orders": f"{told['orders']:,}",
        "events": f"{told['events']:,}",
        "faults that took effect": f"{effective:,} of {sum(kind['count'] for kind in told['faults']):,}",
        "hours": f"{told['duration_seconds'] / 3600:.2f}",
        "checks, and broken ones": f"{checks:,}, {broken:,}",
        "orders lost or doubled, 95 % bound": _bound(told),
        "begun": told["began"],
        "seed": told["seed"],
        "command": f"`{told['command']}`",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    mark = json.dumps({"orders": told["orders"], "faults": effective})
    return f"<!-- largest {mark} -->\n| the largest run | |\n|---|---|\n{table}\n<!-- /largest -->"


def _effective(told: Mapping[str, Any]) -> int:
    return sum(kind["effective"] for kind in told["faults"])


def _bound(told: Mapping[str, Any]) -> str:
    """The rule of three, where nothing was broken."""
    if told["verdict"] != "valid":
        return "–"
    return f"fewer than {3 / told['orders']:.1g} of all"
