"""The score: which bug was caught by what, printed when all have been tried."""

import pytest

SCORE = pytest.StashKey()


def pytest_configure(config):
    config.stash[SCORE] = {}


@pytest.fixture(scope="session")
def score(request):
    """Bugs by name, and what caught each: empty where nothing did."""
    return request.config.stash[SCORE]


def pytest_terminal_summary(terminalreporter, config):
    score = config.stash.get(SCORE, {})
    if not score:
        return
    caught = sum(bool(by) for by in score.values())
    terminalreporter.section("seeded bugs")
    for name, by in score.items():
        terminalreporter.line(f"{name:28} {'; '.join(by) or 'NOT CAUGHT'}")
    terminalreporter.line(f"{caught} of {len(score)} caught")
