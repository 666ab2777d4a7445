"""The dashboard's pages where every part of the system is away, so that no database is needed."""

from contextlib import closing
from types import SimpleNamespace

import pytest

from contracts.services import SERVICE, Service
from tests.dashboard_pages import NOWHERE, Pages, settings_for

AWAY = SimpleNamespace(url=lambda *_who: f"postgresql+psycopg://x:y@{NOWHERE}/x")


@pytest.fixture
def pages():
    with closing(Pages(settings_for(AWAY))) as opened:
        yield opened


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("/log?before=²", 200),
        ("/sagas?view=stuck&older=²", 400),
        ("/dead-letters?service=order&id=²", 400),
        ("/login?then=//[", 200),
    ],
)
def test_what_is_typed_into_an_address_is_no_fault_of_ours(pages, place, status):
    assert "Something went wrong" not in pages.text(place, status)


def test_who_signs_in_from_nowhere_sensible_comes_to_the_overview(pages):
    done = pages.post("/login", form="/login", token=pages.settings.operator_token, then="//[")

    assert (done.status_code, done.headers["Location"]) == (303, "/")


def test_a_letter_of_a_service_that_joined_has_a_page_and_one_of_nobody_has_none(monkeypatch):
    monkeypatch.setitem(SERVICE, "delivery", Service("delivery", "delivery"))
    everybody = {name: AWAY.url() for name in (*SERVICE, "audit")}

    with closing(Pages(settings_for(AWAY, databases=everybody))) as opened:
        assert "The delivery database is away" in opened.text("/dead-letters/delivery/7")
        assert "There is no service" in opened.text("/dead-letters/kitchen/7", 404)
