"""The page of all figures: `./run bench page` writes them from `results/` into README.md, and draws them.

What stands there between two marks of a benchmark is its own: a table of whatever its file holds that was
measured more than once, the least, the median and the most; and a picture where one compares.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bars import Bar, bars
from benchmarks.system import RESULTS

PAGE = Path(__file__).parent / "README.md"
_MARKED = re.compile(r"(<!-- figures of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SPREAD = {"min", "median", "max"}
# By benchmark: the figure that is drawn, where its name ends so, and what the picture says.
PICTURES = {
    "peers": ("saturated.sagas_a_second", "Sagas a second on two cores, load included"),
    "failover": ("", "Seconds without an event after kill -9"),
}


def rendered(page: str) -> str:
    """The page with the figures that are kept now."""
    return _MARKED.sub(lambda found: f"{found[1]}{_section(found[2])}{found[3]}", page)


def measured(figures: Any, name: str = "") -> Iterator[tuple[str, dict[str, float]]]:
    """Everything that has a least, a median and a most, by its path in the file."""
    if not isinstance(figures, dict):
        return
    if set(figures) >= _SPREAD:
        yield name, figures
        return
    for key, inner in figures.items():
        # The parts of a sum are summed in the figure beside them.
        if key not in {"rounds", "turns", "cpu_ms_by_component", "cpu_us_by_component"}:
            yield from measured(inner, f"{name}.{key}" if name else str(key))


def pictures() -> dict[Path, str]:
    """Each picture's file, and what has to be in it."""
    drawn = {}
    for name, (wanted, title) in PICTURES.items():
        found = [
            Bar(_short(path, wanted), **{end: spread[end] for end in sorted(_SPREAD)})
            for path, spread in measured(_kept(name))
            if path.endswith(wanted)
        ]
        if found:
            drawn[RESULTS / f"{name}.svg"] = bars(title, found)
    return drawn


def _section(name: str) -> str:
    rows = [
        f"| {path.replace('_', ' ')} | {_told(spread['median'])} | {_told(spread['min'])} |"
        f" {_told(spread['max'])} | {spread.get('n', '')} |\n"
        for path, spread in measured(_kept(name))
    ]
    if not rows:
        return "*(No figures are kept.)*\n"
    picture = f"![{PICTURES[name][1]}](results/{name}.svg)\n\n" if name in PICTURES else ""
    head = "| figure | median | least | most | times |\n|---|---|---|---|---|\n"
    return f"\n{picture}{head}{''.join(rows)}\n{_about(_kept(name))}"


def _about(figures: dict[str, Any]) -> str:
    """What they were measured on, where the file says."""
    machine = figures.get("machine")
    kind = machine.get("kind") if isinstance(machine, dict) else machine
    cores = machine.get("cores") if isinstance(machine, dict) else figures.get("cores")
    versions = ", ".join(f"{name} {number}" for name, number in (figures.get("versions") or {}).items())
    told = "; ".join(part for part in (kind, f"{cores} cores" if cores else "", versions) if part)
    return f"{told}.\n" if told else ""


def _kept(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _short(path: str, wanted: str) -> str:
    return path.removesuffix(f".{wanted}").rpartition(".")[2]


def _told(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:g}"


def main() -> None:
    PAGE.write_text(rendered(PAGE.read_text()))
    for path, drawing in pictures().items():
        path.write_text(drawing)
        sys.stdout.write(f"{path.name} is drawn\n")
    sys.stdout.write(f"{PAGE.name} is written\n")


if __name__ == "__main__":
    main()
