import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from connect.client import ConnectClient, ConnectError
from connect.configurations import configuration, differs
from runtime.waiting import Backoff

AT_ONCE = Backoff(attempts=3, first_seconds=0)
NOBODY = "http://127.0.0.1:1"


@contextmanager
def worker_that_answers(*answers):
    """A real HTTP server that gives one (status, JSON) answer after another, and the last for ever."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            status, body = answers[min(len(asked), len(answers) - 1)]
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(f"{self.command} {self.path}")
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = answer  # noqa: N815 - the library's names

        def log_message(self, *_arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def client(*urls):
    return ConnectClient(urls, timeout_seconds=5, retries=AT_ONCE)


def test_next_worker_is_asked_when_one_is_away():
    with worker_that_answers((200, {"slot.name": "s"})) as (url, asked):
        assert client(NOBODY, url).config("c") == {"slot.name": "s"}

    assert asked == ["GET /connectors/c/config"]


def test_callers_proxy_has_no_part_in_it(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    monkeypatch.setenv("NO_PROXY", "")
    with worker_that_answers((200, {})) as (url, _):
        assert client(url).config("c") == {}


def test_rebalance_is_waited_out():
    with worker_that_answers((409, {"message": "rebalance"}), (409, {}), (200, {})) as (url, asked):
        client(url).put_config("c", {"a": "b"})

    assert asked == ["PUT /connectors/c/config"] * 3


def test_retries_end():
    with (
        worker_that_answers((409, {"message": "rebalance"})) as (url, asked),
        pytest.raises(ConnectError, match=r"409 .*rebalance"),
    ):
        client(url).put_config("c", {})

    assert len(asked) == AT_ONCE.attempts


def test_refusal_is_told_and_not_repeated():
    with (
        worker_that_answers((400, {"message": "slot.name is missing"})) as (url, asked),
        pytest.raises(ConnectError, match=r"slot\.name is missing"),
    ):
        client(url).put_config("c", {})

    assert len(asked) == 1


def test_only_failed_parts_are_restarted():
    with worker_that_answers((202, {})) as (url, asked):
        client(url).restart("c", only_failed=True)

    assert asked == ["POST /connectors/c/restart?includeTasks=true&onlyFailed=true"]


def test_unknown_connector_is_an_error_to_change_and_nothing_to_ask_for():
    with worker_that_answers((404, {"message": "not found"})) as (url, _):
        assert client(url).config("c") is None
        with pytest.raises(ConnectError, match="knows nothing of /connectors/c/pause"):
            client(url).pause("c")


def test_connector_is_put_only_when_it_differs():
    wanted = configuration("order-outbox")

    assert differs(None, wanted)
    assert differs({**wanted, "name": "order-outbox", "poll.interval.ms": "500"}, wanted)
    assert differs({**wanted, "name": "order-outbox", "left.over": "1"}, wanted)
    assert not differs({**wanted, "name": "order-outbox"}, wanted)
