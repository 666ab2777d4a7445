"""The example of a fourth service, put in its place in a copy of all that there is, is at home there."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "delivery"
OWN = EXAMPLE / "tree" / "delivery"
CODE_LINES_MAX = 60


def run(folder, *command):
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The tree as git would take it, with the example in its place."""
    folder = tmp_path_factory.mktemp("four") / "services"
    folder.mkdir()
    names = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    there = "\n".join(name for name in names if (ROOT / name).is_file())
    files = subprocess.run(
        ["tar", "--create", "--files-from=-"], cwd=ROOT, input=there.encode(), capture_output=True, check=True
    )
    subprocess.run(["tar", "--extract"], cwd=folder, input=files.stdout, check=True)
    run(folder, sys.executable, "docs/examples/place.py", EXAMPLE)
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    return folder


def code_lines(path):
    """Lines with code: neither empty, nor comment, nor docstring."""
    tree = ast.parse(path.read_text())
    nodes = [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef))]
    told = {
        n.body[0].lineno + k
        for n in nodes
        if n.body and ast.get_docstring(n)
        for k in range(_height(n.body[0]))
    }
    lines = enumerate(path.read_text().splitlines(), start=1)
    return [line for number, line in lines if number not in told and line.strip() and line.lstrip()[0] != "#"]


def _height(node):
    return node.end_lineno - node.lineno + 1


def test_a_service_is_little_of_its_own():
    own = {path.name: len(code_lines(path)) for path in OWN.glob("*.py")}

    assert min(own[name] for name in ("app.py", "handlers.py", "models.py", "queries.py", "worker.py")) > 0
    assert sum(own.values()) < CODE_LINES_MAX, own


def test_it_is_at_home_there(copy):
    """All house tests, with types for what is new: those of all the rest do not change by it."""
    run(copy, sys.executable, "-m", "pytest", "-q", "tests/house", "-k", "not mypy")
    run(copy, sys.executable, "-m", "mypy", "delivery", "migrations", "stack", "contracts")


def test_it_does_its_work_on_a_real_database(copy):
    where = "tests/integration"
    told = run(
        copy, sys.executable, "-m", "pytest", "-q", f"{where}/test_delivery.py", f"{where}/test_migrations.py"
    )

    assert " passed" in told


def test_nothing_of_the_order_is_touched(copy):
    for path in sorted((ROOT / "order").rglob("*.py")):
        assert (copy / path.relative_to(ROOT)).read_text() == path.read_text()


def test_a_line_that_has_no_place_changes_nothing(copy):
    """A second time, what was to be replaced is not there any more."""
    before = {path: path.read_bytes() for path in copy.rglob("*.toml")}

    done = subprocess.run(
        [sys.executable, "docs/examples/place.py", EXAMPLE],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "has no" in done.stderr
    assert {path: path.read_bytes() for path in copy.rglob("*.toml")} == before
