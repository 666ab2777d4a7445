"""The page of all figures: `./run bench page` writes them from `results/` into README.md, and draws them.

What stands there between two marks of a benchmark is its own: a table of whatever its file holds that was
measured more than once, the least, the median and the most; and a picture where one compares. Above them
stands what was wanted of the most telling ones (benchmarks/reach.py).
"""

import re
import sys
from pathlib import Path
from typing import Any

from benchmarks import reach
from benchmarks.bars import Bar, bars
from benchmarks.keeping import kept, measured
from benchmarks.system import RESULTS

PAGE = Path(__file__).parent / "README.md"
_MARKED = re.compile(r"(<!-- figures of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
# By benchmark: the figure that is drawn, where its name ends so, and what the picture says.
PICTURES = {
    "peers": ("saturated.sagas_a_second", "Sagas a second on two cores, load included"),
    "failover": ("", "Seconds without an event after kill -9"),
}


def rendered(page: str) -> str:
    """The page with the figures that are kept now."""
    return _MARKED.sub(lambda found: f"{found[1]}{_between(found[2])}{found[3]}", page)


def _between(name: str) -> str:
    return f"\n{reach.table()}\n" if name == "reach" else _section(name)


def pictures() -> dict[Path, str]:
    """Each picture's file, and what has to be in it."""
    drawn = {}
    for name, (wanted, title) in PICTURES.items():
        found = [
            Bar(_short(path, wanted), **{end: spread[end] for end in ("max", "median", "min")})
            for path, spread in measured(kept(name))
            if path.endswith(wanted)
        ]
        if found:
            drawn[RESULTS / f"{name}.svg"] = bars(title, found)
    return drawn


def _section(name: str) -> str:
    rows = [
        f"| {path.replace('_', ' ')} | {_told(spread['median'])} | {_told(spread['min'])} |"
        f" {_told(spread['max'])} | {spread.get('n', '')} |\n"
        for path, spread in measured(kept(name))
    ]
    if not rows:
        return "*(No figures are kept.)*\n"
    picture = f"![{PICTURES[name][1]}](results/{name}.svg)\n\n" if name in PICTURES else ""
    head = "| figure | median | least | most | times |\n|---|---|---|---|---|\n"
    return f"\n{picture}{head}{''.join(rows)}\n{_about(kept(name))}"


def _about(figures: dict[str, Any]) -> str:
    """What they were measured on, where the file says."""
    machine = figures.get("machine")
    kind = machine.get("kind") if isinstance(machine, dict) else machine
    cores = machine.get("cores") if isinstance(machine, dict) else figures.get("cores")
    versions = ", ".join(f"{name} {number}" for name, number in (figures.get("versions") or {}).items())
    told = "; ".join(part for part in (kind, f"{cores} cores" if cores else "", versions) if part)
    return f"{told}.\n" if told else ""


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
