"""Single files from a Maven repository, without what they depend on: by `mvn`, else by jgo.

Neither way is told a host: each asks the repository that its own settings name.
"""

import logging
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from jgo.maven import MavenContext

from runtime.errors import NeverlostError
from runtime.waiting import Backoff

Arrived = Callable[[str], None]

MAVEN_SECONDS_MAX = 900
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_ITEM = (
    "<artifactItem><groupId>{0.group}</groupId><artifactId>{0.artifact}</artifactId>"
    "<version>{0.version}</version></artifactItem>"
)
# `copy` takes artifacts as they are named; as dependencies they would bring theirs along.
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>neverlost</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
<build><plugins><plugin>
<groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId>
<configuration><artifactItems>
{}
</artifactItems></configuration>
</plugin></plugins></build>
</project>
"""


class DownloadError(NeverlostError):
    """No way led to the files."""


@dataclass(frozen=True, slots=True, order=True)
class Coordinates:
    """What Maven calls a jar."""

    group: str
    artifact: str
    version: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def download(wanted: Collection[Coordinates], folder: Path, arrived: Arrived) -> dict[Coordinates, Path]:
    """Put the files into `folder`; `arrived(file name)` is called as each one comes in.

    `mvn` may stand on PATH and still not work, for want of a Java: then jgo is asked.
    """
    try:
        if shutil.which("mvn"):
            return by_maven(wanted, folder, arrived)
    except DownloadError as error:
        logging.getLogger(__name__).warning("%s; trying without mvn", error)
    return by_jgo(wanted, folder, arrived)


def by_maven(wanted: Collection[Coordinates], folder: Path, arrived: Arrived) -> dict[Coordinates, Path]:
    """All files by one `mvn` call."""
    pom = folder / "pom.xml"
    pom.write_text(_POM.format("\n".join(_ITEM.format(each) for each in wanted)))
    command = ["mvn", "--batch-mode", "--file", str(pom), f"-DoutputDirectory={folder}", _COPY]
    names = {each.file_name for each in wanted}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as mvn:
        too_long = threading.Timer(MAVEN_SECONDS_MAX, mvn.kill)
        too_long.start()
        errors = follow(mvn.stdout or (), names, arrived)
        too_long.cancel()
    if mvn.returncode:
        raise DownloadError(f"mvn failed: {errors[0] if errors else f'exit code {mvn.returncode}'}")
    for name in names:
        arrived(name)  # It lay in Maven's own repository, which Maven finds not worth a line.
    return {each: folder / each.file_name for each in wanted}


def follow(lines: Iterable[str], names: set[str], arrived: Arrived) -> list[str]:
    """Tell and take out each of `names` that Maven downloads; what it calls an error is the answer."""
    errors = []
    for line in lines:
        found = re.match(r"\[INFO\] Downloaded from .*/([^/ ]+\.jar) ", line)
        if found and found[1] in names:
            names.remove(found[1])
            arrived(found[1])
        if line.startswith("[ERROR]"):
            errors.append(line.removeprefix("[ERROR]").strip())
    return errors


def by_jgo(wanted: Collection[Coordinates], folder: Path, arrived: Arrived) -> dict[Coordinates, Path]:
    """One file at a time from each of a few threads, without any Java."""
    files = {}
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = {pool.submit(_by_jgo, each, folder): each for each in wanted}
        for future in as_completed(futures):
            each = futures[future]
            files[each] = future.result()
            arrived(each.file_name)
    return files


def _by_jgo(each: Coordinates, folder: Path) -> Path:
    last: Exception | None = None
    for attempt, pause in enumerate(Backoff(attempts=3, first_seconds=0.5)):
        # A download that broke off stays in its repository, where the next attempt would find it.
        repository = MavenContext(repo_cache=folder / f"attempt-{attempt}", timeout=30)
        try:
            component = repository.project(each.group, each.artifact).at_version(each.version)
            return Path(component.artifact().resolve())
        except Exception as error:  # noqa: BLE001 - whatever jgo raises, the answer is one more attempt
            last = error
            threading.Event().wait(pause)
    raise DownloadError(f"{each} could not be downloaded: {last}") from last
