"""What the README tells a reader to type exists, and every place it leads to is there."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from chaos.scenarios import BY_NAME
from order.saga import NEWEST
from saga.diagram import mermaid
from stack.cli import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """Every `./run …` in the documents, without comments."""
    found = [
        match.strip().rstrip(":;,.")
        for path in DOCUMENTS
        for match in re.findall(r"\./run ([a-z][^#`|\n]*)", path.read_text())
    ]
    return sorted(set(found))


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_documents_exists(line):
    command: click.Command = cli
    for word in line.split():
        if word.startswith("-"):
            options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
            assert word in options, f"./run {line}"
        elif isinstance(command, click.Group):
            assert word in command.commands, f"./run {line}"
            command = command.commands[word]


def test_every_link_leads_somewhere():
    missing = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in DOCUMENTS
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text())
        if not target.startswith("https://") and not (path.parent / target).exists()
    ]

    assert missing == []


def headings(page: Path) -> set[str]:
    """The anchors of a page, as forges make them of its headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_anchor_is_a_heading():
    missing = [
        f"{path.relative_to(ROOT)}: {target}#{anchor}"
        for path in DOCUMENTS
        for target, anchor in re.findall(r"\]\((?!https)([^)#]*)#([^)]+)\)", path.read_text())
        if anchor not in headings(path.parent / target if target else path)
    ]

    assert missing == []


def test_code_that_is_shown_is_that_of_a_file_beside_it():
    linked = [ROOT / target for target in re.findall(r"\]\(([\w./-]+\.py)\)", README)]
    code = "\n".join(path.read_text() for path in linked)
    shown = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)

    assert shown
    assert [block for block in shown if block not in code] == []


def test_the_guarantees_name_every_invariant():
    text = (ROOT / "docs" / "guarantees.md").read_text()
    sources = "\n".join(path.read_text() for path in (ROOT / "chaos").glob("checker_*.py"))
    judged = set(re.findall(r"\"([SL]\d+ [\w -]+)\"", sources))
    live = set(re.findall(r"\"(S\d+)\"", (ROOT / "audit" / "verdict.py").read_text()))

    assert set(re.findall(r"^\| ([SL]\d+ [\w -]+) \|", text, re.MULTILINE)) == judged
    assert set(re.findall(r"^\| (S\d+) [^|]+\|[^|]+\| yes \|", text, re.MULTILINE)) == live
    assert len(judged) == 18  # as is written out in words


def test_what_the_guarantees_are_shown_by_exists():
    text = (ROOT / "docs" / "guarantees.md").read_text()
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    scenarios = re.findall(r"`\./run chaos ([\w-]+)`", text)

    missing = [f"{path}::{name}" for path, name in tests if f"def {name}(" not in (ROOT / path).read_text()]

    assert tests
    assert missing == []
    assert set(scenarios) <= set(BY_NAME)


def test_the_pipeline_runs_the_readmes_test_command():
    assert "./run test" in README
    assert re.search(r"^(exec )?\./run test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_the_entry_explains_itself():
    done = subprocess.run([ROOT / "run", "--help"], capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0
    assert "Commands:" in done.stdout


@pytest.mark.parametrize(
    "word",
    [
        "up",
        "down",
        "reset",
        "status",
        "logs",
        "demo",
        "test",
        "bench",
        "connect",
        "doctor",
        "dead-letters",
        "sagas",
        "audit",
        "chaos",
    ],
)
def test_the_readme_names_every_command(word):
    assert f"./run {word}" in README


def test_the_picture_of_the_saga_is_that_of_its_definition():
    assert mermaid(NEWEST) in (ROOT / "ARCHITECTURE.md").read_text()
