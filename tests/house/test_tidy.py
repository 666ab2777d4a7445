"""House rules: what linters, types and import contracts say, and what no linter knows."""

import ast
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

FILE_LINES_MAX = 250
FUNCTION_LINES_MAX = 40
FUNCTION_LINES_MEDIAN = 8
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "core", "manager", "base"}


def tracked(pattern: str) -> list[Path]:
    """Files that git knows or would take; a copy without git is searched."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


SOURCES = [path for path in tracked("*.py") if "tests" not in path.parts[len(ROOT.parts) :]]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports", "--no-cache"],
    ],
    ids=" ".join,
)
def test_the_tools_find_nothing(command):
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", _own_lines(node)


def _own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring and without the functions inside it."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    lines = sum(node.end_lineno - node.lineno + 1 for node in body if node.end_lineno) + 1
    inner = [n for n in ast.walk(function) if n is not function and isinstance(n, ast.FunctionDef)]
    return lines - sum(n.end_lineno - n.lineno + 1 for n in inner if n.end_lineno)


def test_files_can_be_seen_at_once():
    long = {
        str(p.relative_to(ROOT)): n
        for p in SOURCES
        if (n := len(p.read_text().splitlines())) > FILE_LINES_MAX
    }

    assert long == {}


def test_functions_can_be_seen_at_once():
    sizes = dict(chain.from_iterable(map(functions, SOURCES)))

    assert {name: lines for name, lines in sizes.items() if lines > FUNCTION_LINES_MAX} == {}
    assert sorted(sizes.values())[len(sizes) // 2] <= FUNCTION_LINES_MEDIAN


def test_names_say_what_is_inside():
    assert [p for p in tracked("*.py") if p.stem in BANNED_NAMES] == []


def test_every_module_says_what_it_is_for():
    empty = [p for p in SOURCES if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))]

    assert empty == []


def test_no_statement_is_left_over():
    """Every SQL statement that has a name is used somewhere."""
    homes = [p for p in SOURCES if p.name in {"sql.py", "queries.py"}]
    everything = "\n".join(p.read_text() for p in SOURCES)
    for home in homes:
        for node in ast.parse(home.read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                used = name if name.startswith("_") else f"{home.stem}.{name}"
                assert everything.count(used) > name.startswith("_"), f"{home.relative_to(ROOT)}: {name}"


def test_tests_wait_for_conditions_and_skip_nothing():
    words = ("time.sleep(", "pytest.mark.skip", "pytest.mark.xfail", "pytest.skip(")
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked("tests/*.py")
        for word in words
        if path != Path(__file__) and word in path.read_text()
    ]

    assert found == []
