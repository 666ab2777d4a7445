"""Documents say what is so: their figures are those that are kept, and each can be found from the index."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from contracts.services import DUTIES, SERVICE, SERVICES
from stack.layout import DEFAULT_STATE
from stack.record import Phase, StackRecord
from stack.status import where_to_look
from tests.transcripts import steps

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PEERS = json.loads((ROOT / "benchmarks" / "results" / "peers.json").read_text())["peers"]
ROWS = {
    "this": "neverlost",
    "three services written by hand, without a broker": "hand_written",
    "Restate": "restate",
    "DBOS": "dbos",
}
FIGURES = ("saturated.sagas_a_second", "saturated.cpu_ms_a_saga", "slow.p50", "slow.p99")


def told(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


@pytest.mark.parametrize(("row", "peer"), ROWS.items())
def test_a_comparison_has_the_figures_that_were_measured(row, peer):
    measured = [told(PEERS[peer][figure]["median"]) for figure in FIGURES]

    assert f"| {row} | {' | '.join(measured)} |" in (DOCS / "compared.md").read_text()


def test_every_peer_that_was_measured_is_compared():
    assert set(PEERS) == set(ROWS.values())


def test_every_document_can_be_found_from_the_index():
    found, waiting = set(), [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in found or not page.is_file():
            continue
        found.add(page)
        if page.suffix == ".md" and DOCS in page.parents:
            links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
            waiting += [(page.parent / each).resolve() for each in links if "://" not in each]

    assert set(DOCS.rglob("*.md")) <= found


def test_the_tutorial_shows_the_addresses_that_a_start_tells():
    [shown] = [step.shown for step in steps(DOCS / "tutorial.md") if step.command == "./run up"]
    start = StackRecord(parent=1, phase=Phase.READY, port_offset=0)

    told = where_to_look(start, DEFAULT_STATE).splitlines()

    assert [line for line in shown[1:] if line not in told] == []


# ── what how-tos name is there

WRITTEN = [path for path in DOCS.rglob("*.md") if path.parent.name not in {"reference", "decisions"}]
PLACES = [ROOT, *DOCS.glob("examples/*/tree")]
SETTINGS = (DOCS / "reference" / "settings.md").read_text()
ROOMS = "|".join(path.parent.name for path in ROOT.glob("*/__init__.py"))
each_page = pytest.mark.parametrize("page", WRITTEN, ids=lambda path: str(path.relative_to(DOCS)))


@each_page
def test_every_module_that_is_to_be_run_exists(page):
    for name in re.findall(r"python -m ([a-z_.]+[a-z])", page.read_text()):
        assert find_spec(name), name


@each_page
def test_every_variable_that_is_to_be_set_is_read_by_somebody(page):
    for name in re.findall(r"^\s*([A-Z]+_[A-Z_]+)=", page.read_text(), re.MULTILINE):
        assert f"| `{name}` |" in SETTINGS, name


@each_page
def test_every_file_that_is_named_is_there(page):
    for name in re.findall(rf"`((?:tests|docs|{ROOMS})/[\w./-]*\w)`", page.read_text()):
        assert any((place / name).exists() for place in PLACES), name


@each_page
def test_every_role_and_slot_of_a_page_is_one_of_ours(page):
    """Roles are a service's name and a duty; what looks like one must be one."""
    known = {service.role(duty) for service in SERVICES for duty in DUTIES}
    found = re.findall(rf"`((?:{'|'.join(SERVICE)})_(?:[a-z]+))`", page.read_text())
    assert set(found) <= known | {service.slot for service in SERVICES}
