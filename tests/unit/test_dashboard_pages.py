"""The dashboard's pages where every part of the system is away, so that no database is needed."""

import socketserver
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Barrier, BrokenBarrierError, Event, Thread
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy import create_engine, event, exc
from sqlalchemy.pool import StaticPool
from werkzeug.exceptions import TooManyRequests

from contracts.services import SERVICE, Service
from dashboard import queries
from dashboard.action_log import Action, carry_out
from dashboard.guard import WRONG_MAX, Guard
from dashboard.parts import rows
from dashboard.sources import CONNECTIONS
from tests.dashboard_pages import NOWHERE, Pages, answering, settings_for

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


def test_an_api_is_asked_without_a_proxy(monkeypatch):
    """What is set for the world outside would make every neighbour look away."""
    monkeypatch.setenv("http_proxy", f"http://{NOWHERE}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with answering({"/readyz": (200, {})}) as (url, _):
        urls = dict.fromkeys(SERVICE, f"http://{NOWHERE}") | {"order": url}
        with closing(Pages(settings_for(AWAY, urls=urls))) as opened:
            opened.sources.watch.sample()
            [sample] = opened.sources.watch.look()

    assert sample.answers == {"order": True, "payment": False, "inventory": False}


def test_tokens_that_are_tried_all_at_once_are_counted_one_by_one(pages):
    guard, together = Guard("right"), Barrier(4 * WRONG_MAX)

    class Token(str):
        __slots__ = ()

        def encode(self, *_):
            """It is looked at when all of them are, or when nobody else comes that far."""
            with suppress(BrokenBarrierError):
                together.wait(timeout=0.2)
            return b"wrong"

    def attempt(_number):
        with pages.app.test_request_context("/login"), suppress(TooManyRequests):
            return guard.sign_in(Token("wrong"), "anna")

    with ThreadPoolExecutor(together.parties) as threads:
        done = list(threads.map(attempt, range(together.parties)))

    assert (done.count(False), done.count(None)) == (WRONG_MAX, 3 * WRONG_MAX)


def test_who_answers_in_the_supervisors_place_hides_no_more_than_the_restarts():
    with (
        answering({"/metrics": (200, "a page of somebody else")}) as (url, asked),
        closing(Pages(settings_for(AWAY, supervisor_url=url))) as opened,
    ):
        opened.sources.watch.sample()
        [sample] = opened.sources.watch.look()

    assert asked == ["GET /metrics"]
    assert sample.restarts == {}
    assert sample.answers == dict.fromkeys(SERVICE, False)


# ── the log of actions


@pytest.fixture
def record():
    """A database that has nothing but the log of actions."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    event.listen(engine, "connect", lambda raw, _: raw.create_function("clock_timestamp", 0, lambda: "now"))
    with engine.begin() as connection:
        columns = "id INTEGER PRIMARY KEY, actor, action, target, note, ended_at, outcome, result"
        connection.exec_driver_sql(f"CREATE TABLE actions ({columns})")
    yield engine
    engine.dispose()


def test_an_action_that_fails_quotes_no_value_neither_on_record_nor_in_the_log(record, logged):
    def do():
        raise exc.DataError("UPDATE …", {}, psycopg.DataError("no number: 'tok_private'"))

    done = carry_out(record, Action("anna", "letters redrive", "everything"), do)

    with record.connect() as connection:
        [row] = connection.exec_driver_sql("SELECT * FROM actions")
    assert done.outcome == row.outcome == "failed"
    [line] = [line for line in logged() if line["event"] == "an action failed"]
    assert line["reason"] == "DataError: a value does not fit"
    assert "tok_private" not in f"{row} {line}"


# ── parts that hang


class Frozen(socketserver.BaseRequestHandler):
    """A Postgres that lets everybody in and then answers nothing: one that was stopped is like that."""

    def handle(self):
        self.request.recv(1024)  # whether it speaks TLS
        self.request.sendall(b"N")
        self.request.recv(1024)  # who it is
        self.request.sendall(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
        self.server.thaws.wait(30)


@pytest.fixture
def frozen():
    """The address of one."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Frozen) as server:
        server.daemon_threads, server.thaws = True, Event()
        Thread(target=server.serve_forever, daemon=True).start()
        yield "postgresql+psycopg://x:y@{}:{}/x".format(*server.server_address)
        server.thaws.set()
        server.shutdown()


def test_databases_that_hang_do_not_keep_anybody_from_asking_the_others(frozen):
    everywhere = dict.fromkeys((*SERVICE, "audit"), frozen)
    with closing(Pages(settings_for(AWAY, databases=everywhere))) as opened:
        parts = opened.sources.parts
        hanging = {
            f"{name} {n}": parts.database(name, rows, queries.NOW, {})
            for name in everywhere
            for n in range(CONNECTIONS)
        }

        asked = parts.ask(hanging, seconds=0.5)
        other = parts.ask({"connect": lambda: "here"}, seconds=0.5)

        assert asked.away.keys() == hanging.keys()
        assert other.found == {"connect": "here"}
