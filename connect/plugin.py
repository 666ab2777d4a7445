"""The relay's plugin: Debezium's jars, and beside them the classes of `java/`, compiled once.

Connect loads a plugin from one folder. Each state of the sources has a folder of its own, so that two
checkouts share a cache without running each other's classes.
"""

import hashlib
import os
import subprocess
import tempfile
import zipfile
from pathlib import Path

from connect import jars
from runtime.errors import NeverlostError

SOURCES = Path(__file__).with_name("java")
SERVICE = "META-INF/services/org.apache.kafka.connect.source.SourceConnector"
CONNECTOR = "neverlost.OutboxConnector"
COMPILER_SET = "compiler"
# The oldest Java that may run it.
JAVA_VERSION = "17"
COMPILE_SECONDS_MAX = 120
# What a zip file can say at the least: the same sources are the same bytes.
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


class PluginError(NeverlostError):
    """The classes did not compile."""


def home(cache: Path) -> Path:
    """The folder a Connect worker is started in: `plugin.path` names the folder `plugins` in it."""
    content = hashlib.sha256(jars.LIST.read_bytes())
    for source in _sources():
        content.update(source.read_bytes())
    return cache / f"relay-{content.hexdigest()[:16]}"


def build(java: str, cache: Path) -> None:
    """Make what `home` names, from jars that were fetched, unless it is there. Raises PluginError.

    Two processes may do this at once: each builds beside it, and the first one's stays.
    """
    if home(cache).exists():
        return
    with tempfile.TemporaryDirectory(prefix=".relay-", dir=cache) as folder:
        built = Path(folder) / "home"
        plugin = built / "plugins" / jars.PLUGIN_SET
        plugin.mkdir(parents=True)
        for path in _paths(cache, jars.PLUGIN_SET):
            (plugin / path.name).symlink_to(path.resolve())
        classes = Path(folder) / "classes"
        _compile(java, cache, classes)
        _pack(classes, plugin / "neverlost.jar")
        _settle(built, home(cache))


def _settle(built: Path, wanted: Path) -> None:
    try:
        built.rename(wanted)
    except OSError:
        if not wanted.exists():
            raise


def _compile(java: str, cache: Path, into: Path) -> None:
    """By Eclipse's compiler, which is one jar and asks for no JDK."""
    compiler = jars.class_path(cache, COMPILER_SET)
    path = os.pathsep.join(jars.class_path(cache, name) for name in ("connect", jars.PLUGIN_SET))
    flags = ["-source", JAVA_VERSION, "-target", JAVA_VERSION, "-proc:none", "-d", str(into), "-cp", path]
    command = [java, "-jar", compiler, *flags, *map(str, _sources())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS_MAX, check=False)
    if done.returncode:
        raise PluginError(f"connect/java does not compile: {done.stderr.strip() or done.stdout.strip()}")


def _pack(classes: Path, jar: Path) -> None:
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo(SERVICE, _LONG_AGO), f"{CONNECTOR}\n")
        for path in sorted(classes.rglob("*.class")):
            packed.writestr(zipfile.ZipInfo(str(path.relative_to(classes)), _LONG_AGO), path.read_bytes())


def _sources() -> list[Path]:
    return sorted(SOURCES.rglob("*.java"))


def _paths(cache: Path, set_name: str) -> list[Path]:
    return [Path(each) for each in jars.class_path(cache, set_name).split(os.pathsep)]
