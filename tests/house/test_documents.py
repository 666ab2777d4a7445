"""Documents say what is so: their figures are those that are kept, and each can be found from the index."""

import json
import re
from pathlib import Path

import pytest

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
