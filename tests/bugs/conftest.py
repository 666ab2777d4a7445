"""The score: which bug was caught by what, printed when all have been tried."""

import pytest

from tests.bugs.catalogue import BUGS

SCORE = pytest.StashKey()


def pytest_configure(config):
    config.stash[SCORE] = {}


@pytest.fixture(scope="session")
def score(request):
    """What was found of each bug, by its name; None where a run did not come to its end."""
    return request.config.stash[SCORE]


def pytest_terminal_summary(terminalreporter, config):
    score = config.stash.get(SCORE, {})
    if not score:
        return
    terminalreporter.section("seeded bugs")
    for name, found in score.items():
        terminalreporter.line(f"{name:34} {told(found, BUGS[name].found_by)}")
    caught = sum(1 for name, found in score.items() if found and found.broken.keys() & BUGS[name].found_by)
    red = sum(1 for found in score.values() if found and found.audited)
    terminalreporter.line(f"{caught} of {len(score)} caught by the checker; the auditor is red for {red}")


def told(found, meant):
    """What found it, those that were meant to first, with an example."""
    if found is None:
        return "NOT CAUGHT: the run did not come to its end"
    first = sorted(found.broken.items(), key=lambda each: (each[0] not in meant, each))
    names = " ".join(code for code, _ in first) or "NOT CAUGHT"
    example = f" ({first[0][1]:.90})" if first else ""
    auditor = " ".join(found.audited) or "-"
    return f"after {found.orders} orders, {found.seconds:.0f} s: {names}{example}; auditor: {auditor}"
