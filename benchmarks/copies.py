"""A copy of the sources that says another number of partitions; the number is a constant, fixed for life."""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stack import launch
from stack.layout import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "var", "__pycache__", "node_modules")
# Where the number stands, and what before it tells so.
PLACES: Mapping[str, str] = {
    "contracts/topics.py": r"(?<=^PARTITIONS = )\d+",
    "connect/connectors/*.json": r'(?<="topic\.creation\.default\.partitions": ")\d+',
}


@contextmanager
def with_partitions(number: int) -> Iterator[Path]:
    """The folder of a copy, for the length of a `with`; it stays, with its logs, where that failed."""
    with launch.temporary("copy") as wish:  # its folder may be passed through by a database's account
        place = wish.state / "sources"
        shutil.copytree(ROOT, place, ignore=LEFT_OUT)
        for pattern, expression in PLACES.items():
            for path in sorted(place.glob(pattern)) or [place / pattern]:
                _say(path, expression, number)
        yield place


def _say(path: Path, expression: str, number: int) -> None:
    text, times = re.subn(expression, str(number), path.read_text(), flags=re.MULTILINE)
    if times != 1:
        raise LookupError(f"{path.name} says the number of partitions {times} times: expected once")
    path.write_text(text)
