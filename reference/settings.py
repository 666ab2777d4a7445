"""Every environment variable that a process reads: by name, with its form, its default, and who reads it."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from connect import worker
from reference.markdown import code, codes, page, table
from runtime.environment import Environment, Setting
from stack import java, layout, options
from stack.layout import CONNECT_WORKERS, ROOT

SECONDS_MAX = 120
ROOMS = {path.parent for path in ROOT.glob("*/__init__.py")} - {ROOT / "benchmarks", ROOT / "reference"}
_READERS = {"text", "url", "whole", "rate", "file", "texts", "servers", "bind", "parsed"}
COMMAND_LINE = "./run"

Settings = Mapping[str, Iterable[Setting]]


def document() -> str:
    """The page of the settings."""
    known = by_process()
    return page(
        "Settings",
        "A process reads its environment once, at its start, and refuses to start with one line that"
        " names all that is wrong. Passwords and tokens arrive in files, and a variable names the file;"
        " only a Connect worker has its relays' passwords as variables. `./run` and `docker-compose.yml`"
        " set everything; whoever starts processes in another way sets what is required.",
        table(("variable", "form", "default", "read by"), _rows(known)),
        "## By process",
        table(("process", "what it must be given", "what it may be given"), map(_process, known.items())),
        *_elsewhere(known),
    )


@cache
def by_process() -> Settings:
    """The settings of every process of ours, of the Connect workers, and of the command line."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "reference.asked"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS_MAX,
    )
    told: Mapping[str, list[dict[str, Any]]] = json.loads(done.stdout)
    found = {name: [Setting(**each) for each in settings] for name, settings in told.items()}
    # A Connect worker is a JVM: what its files ask for by `${env:...}` stands in one list.
    found |= {name: [Setting(each, "text", None) for each in worker.VARIABLES] for name in CONNECT_WORKERS}
    return found | {COMMAND_LINE: _of_the_command_line()}


def _of_the_command_line() -> list[Setting]:
    environment = Environment({"HOME": "$HOME"})
    layout.cache_folder(environment)
    java.java_home(environment)
    options.rate_limit(environment)
    # Its default is another on each machine.
    own_home = Setting("HOME", "text", "the account's home")
    return [own_home, *(each for each in environment.asked.values() if each.name != own_home.name)]


def _rows(known: Settings) -> Iterator[tuple[str, str, str, str]]:
    """One a variable, form and default: processes that agree share it."""
    readers: dict[Setting, list[str]] = {}
    for process, settings in known.items():
        for setting in settings:
            readers.setdefault(setting, []).append(process)
    for setting in sorted(readers, key=lambda each: (each.name, each.form)):
        default = "**required**" if setting.default is None else code(setting.default) or "none"
        yield code(setting.name), setting.form, default, codes(readers[setting])


def _process(told: tuple[str, Iterable[Setting]]) -> tuple[str, str, str]:
    name, settings = told
    required = [each.name for each in settings if each.default is None]
    other = [each.name for each in settings if each.default is not None]
    return code(name), codes(required), codes(other)


def _elsewhere(known: Settings) -> Iterator[str]:
    """What sources ask for and no process asks for at its start."""
    listed = {setting.name for settings in known.values() for setting in settings}
    rows = [
        (code(name), codes(places)) for name, places in sorted(in_sources().items()) if name not in listed
    ]
    if rows:
        yield "## Read later, or by a part of a process"
        yield table(("variable", "read in"), rows)


def in_sources() -> Mapping[str, list[str]]:
    """Every variable that a source names when it asks its environment, and where."""
    found: dict[str, list[str]] = {}
    for path in sorted(each for room in ROOMS for each in room.rglob("*.py")):
        for name in _named_in(path):
            found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return {name: sorted(set(places)) for name, places in found.items()}


def _named_in(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    constants = dict(_constants(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(attr=method), [ast.Constant() | ast.Name() as first, *_]):
                name = first.value if isinstance(first, ast.Constant) else constants.get(first.id)
                if method in _READERS and isinstance(name, str) and name.isupper():
                    yield name


def _constants(module: ast.Module) -> Iterator[tuple[str, object]]:
    """The names that a module gives to plain values."""
    for node in module.body:
        match node:
            case ast.Assign([ast.Name(id=name)], ast.Constant(value=value)):
                yield name, value
