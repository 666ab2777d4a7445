"""Archives of loaded classes, which spare a JVM half the work of its start.

The first stack that is stopped in good order writes them, into the cache beside the jars; every later
start uses them. The JVM ignores an archive that does not fit, so the worst that can happen is a slow start.
"""

import subprocess
from hashlib import sha256
from pathlib import Path

from connect import jars
from stack.layout import BROKERS, CONNECT_WORKERS

SETS = {"broker": BROKERS, "connect": CONNECT_WORKERS}
CHECK_SECONDS_MAX = 30
_QUIET = "-Xlog:cds*=off"


def flags(java: str, cache: Path) -> dict[str, tuple[str, ...]]:
    """For each JVM of the stack, by name: how it uses its archive, or that it is to write one."""
    found: dict[str, tuple[str, ...]] = {}
    for set_name, names in SETS.items():
        archive = _path(java, cache, set_name)
        _adopt(java, archive, jars.class_path(cache, set_name))
        if archive.exists():
            found |= dict.fromkeys(names, (f"-XX:SharedArchiveFile={archive}", _QUIET))
        else:
            archive.parent.mkdir(parents=True, exist_ok=True)
            found[names[0]] = (f"-XX:ArchiveClassesAtExit={_written(archive)}", _QUIET)
    return found


def _path(java: str, cache: Path, set_name: str) -> Path:
    """Another Java, or other jars, are another archive."""
    program = Path(java).resolve()
    changed = program.stat().st_mtime_ns if program.exists() else 0
    key = f"{program} {changed} {jars.class_path(cache, set_name)}"
    return cache / "archives" / f"{set_name}-{sha256(key.encode()).hexdigest()[:16]}.jsa"


def _written(archive: Path) -> Path:
    return archive.with_suffix(".new")


def _adopt(java: str, archive: Path, class_path: str) -> None:
    """Take a new archive into use, unless the JVM that wrote it was killed over it."""
    written = _written(archive)
    if archive.exists() or not written.exists():
        return
    check = [java, "-Xshare:on", f"-XX:SharedArchiveFile={written}", _QUIET, "-cp", class_path, "-version"]
    if subprocess.run(check, capture_output=True, timeout=CHECK_SECONDS_MAX, check=False).returncode:
        written.unlink()
    else:
        written.replace(archive)
