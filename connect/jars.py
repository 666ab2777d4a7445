"""The jars that Kafka, Connect and Debezium run on: fetched once, verified, then used offline.

`jars.txt` names every jar and its sha256. A jar is renamed into the cache only after its sum was
found right, so one that is there is good: a second start hashes and downloads nothing.
"""

import hashlib
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from connect import downloads
from runtime.errors import NeverlostError

LIST = Path(__file__).with_name("jars.txt")
PLUGIN_SET = "debezium"
AGENT_SET = "agent"

Report = Callable[[int, int, str], None]


class JarError(NeverlostError):
    """A jar could not be had, or is not the one that `jars.txt` names."""


@dataclass(frozen=True, slots=True, order=True)
class Jar:
    """One jar of one set, by its Maven coordinates."""

    set_name: str
    coordinates: downloads.Coordinates
    sha256: str

    def path(self, cache: Path) -> Path:
        folder = cache / "plugins" / "debezium" if self.set_name == PLUGIN_SET else cache / "lib"
        return folder / self.coordinates.file_name


def fetch(cache: Path, report: Report) -> None:
    """Download what the cache lacks; `report(done, total, file name)` follows it.

    Two processes may do this at once: each downloads beside the cache and renames what is whole.
    """
    missing = {jar.path(cache): jar for jar in listed() if not jar.path(cache).exists()}
    if not missing:
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as folder:
        _download(missing, Path(folder), report)


def class_path(cache: Path, set_name: str) -> str:
    """The value of `java -cp` for one set: `broker` or `connect`."""
    return os.pathsep.join(str(jar.path(cache)) for jar in listed() if jar.set_name == set_name)


def agent(cache: Path) -> Path:
    """The one jar that is loaded beside a program, and is in no class path."""
    return next(jar.path(cache) for jar in listed() if jar.set_name == AGENT_SET)


def listed(lines: Iterable[str] | None = None) -> tuple[Jar, ...]:
    """Every line of `jars.txt`, in its order."""
    return tuple(_parse(LIST.read_text().splitlines() if lines is None else lines))


def _parse(lines: Iterable[str]) -> Iterator[Jar]:
    for line in lines:
        if line and not line.startswith("#"):
            set_name, coordinates, sha256 = line.split()
            yield Jar(set_name, downloads.Coordinates(*coordinates.split(":")), sha256)


def _download(missing: dict[Path, Jar], folder: Path, report: Report) -> None:
    paths = {jar.coordinates: path for path, jar in missing.items()}
    done = itertools.count(1)
    files = downloads.download(
        tuple(paths), folder, lambda file_name: report(next(done), len(paths), file_name)
    )
    for path, jar in missing.items():
        adopt(files[jar.coordinates], jar, path)


def adopt(file: Path, jar: Jar, path: Path) -> None:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != jar.sha256:
        file.unlink()
        raise JarError(
            f"{jar.coordinates} was refused and deleted: its sha256 is {found}, connect/jars.txt says"
            f" {jar.sha256}. Where Maven keeps a copy (~/.m2), remove it there too, then try again."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    file.replace(path)
