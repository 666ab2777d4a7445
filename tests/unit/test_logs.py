"""Lines of logs: their form, the ids they name, and what is never in them."""

import io
import json
import logging
import subprocess
import sys
from functools import partial

import psycopg
import pytest
import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import StatementError

from runtime import logs, redaction
from runtime.environment import Environment
from runtime.errors import NeverlostError, SettingsError

SECRET = "tok_canary"
ROOT = logging.getLogger()


@pytest.fixture
def written(monkeypatch):
    """A function that logs by `log` in a style, and gives what stands on stderr."""
    kept = ROOT.handlers[:], ROOT.level, sys.excepthook

    def write(log, style="auto"):
        stderr = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.setattr(logs, "Environment", partial(Environment, {"LOG_FORMAT": style}))
        structlog.reset_defaults()
        logs.configure("a-process")
        log(structlog.get_logger("a.module"))
        return stderr.getvalue()

    yield write
    ROOT.handlers[:], ROOT.level, sys.excepthook = kept


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_json_where_nobody_sits_at_a_terminal(written):
    [line] = lines(written(lambda log: log.info("order moved", order_id="1", status="PAID")))

    timestamp = line.pop("timestamp")
    assert timestamp.endswith("Z")
    assert line == {
        "process": "a-process",
        "order_id": "1",
        "status": "PAID",
        "event": "order moved",
        "level": "info",
        "logger": "a.module",
    }


def test_a_line_is_for_the_eye_where_it_is_wished(written):
    told = written(lambda log: log.info("order moved", order_id="1"), "console")

    assert "order moved" in told
    assert "order_id=1" in told
    assert not told.startswith("{")


def test_a_style_that_does_not_exist_is_refused(written):
    with pytest.raises(SettingsError, match="LOG_FORMAT='xml' is not json, console or auto"):
        written(lambda _log: None, "xml")


def test_at_a_terminal_lines_are_for_the_eye_of_themselves_and_json_on_request():
    """On a pseudo-terminal, as a person has it."""
    program = "from runtime import logs; import structlog; logs.configure('p');"
    program += "structlog.get_logger().info('it is so', number=1)"
    run = (
        "import pty, sys, os; master, slave = pty.openpty(); pid = os.fork()\n"
        f"if pid == 0: os.dup2(slave, 2); os.execv(sys.executable, [sys.executable, '-c', {program!r}])\n"
        "os.waitpid(pid, 0); os.close(slave)\n"
        "print(os.read(master, 4096).decode())"
    )

    def told(**environment):
        command = [sys.executable, "-c", run]
        where = {"PYTHONPATH": ".", **environment}
        done = subprocess.run(command, env=where, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    assert "it is so" in told()
    assert not told().startswith("{")
    assert json.loads(told(LOG_FORMAT="json"))["number"] == 1


def test_a_line_about_an_order_gets_what_is_known_of_it_and_no_others(written):
    known = {"1": {"event_id": "e", "trace_id": "t"}}

    def log_some(log):
        with logs.speaking_of(lambda key: known.get(key, {})):
            log.info("a", order_id="1")
            log.info("b", saga_id="1")
            log.info("c", order_id="2")
            log.info("d")
            log.info("e", order_id="1", trace_id="its own")
        log.info("f", order_id="1")

    told = [(line.get("event_id"), line.get("trace_id")) for line in lines(written(log_some))]

    assert told == [("e", "t"), ("e", "t"), (None, None), (None, None), ("e", "its own"), (None, None)]


def test_who_speaks_of_anothers_order_does_not_name_his_own_trace(written):
    def log_some(log):
        with (
            structlog.contextvars.bound_contextvars(trace_id="mine"),
            logs.speaking_of(lambda _key: {"trace_id": "theirs"}),
        ):
            log.info("a", order_id="1")
            log.info("b")

    assert [line["trace_id"] for line in lines(written(log_some))] == ["theirs", "mine"]


class Row(BaseModel):
    amount: int


def a_validation_error():
    with pytest.raises(ValidationError) as raised:
        Row(amount=SECRET)
    return raised.value


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(SECRET), "ValueError"),
        (KeyError(SECRET), "KeyError"),
        (UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), "UnicodeDecodeError"),
        (psycopg.DataError(SECRET), "DataError: a value does not fit"),
        (StatementError("m", "INSERT", {"token": SECRET}, ValueError(SECRET)), "ValueError"),
        (a_validation_error(), "ValidationError: amount: Input should be a valid integer, unable to parse"),
        (NeverlostError("in our own words"), "NeverlostError: in our own words"),
        (FileNotFoundError(2, "No such file"), "FileNotFoundError: [Errno 2] No such file"),
        (TypeError("unsupported"), "TypeError: unsupported"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_explained_without_the_value_it_happened_to(error, told):
    assert redaction.explain(error).startswith(told)
    assert SECRET not in redaction.explain(error)


def test_a_traceback_names_what_led_to_it_and_where_and_no_value(written):
    def fail(log):
        try:
            try:
                {}[SECRET.upper().lower()]
            except KeyError as error:
                raise NeverlostError("it cannot be done") from error
        except NeverlostError:
            log.exception("it failed", order_id="1")

    told = written(fail)

    [line] = lines(told)
    assert SECRET not in told
    assert "NeverlostError: it cannot be done" in line["exception"]
    assert line["exception"].index("KeyError") < line["exception"].index("NeverlostError: ")
    assert "test_logs.py" in line["exception"]


def test_what_nobody_catches_is_one_line_too(written):
    def end(_log):
        try:
            int(SECRET)
        except ValueError as error:
            sys.excepthook(type(error), error, error.__traceback__)

    told = written(end)

    [line] = lines(told)
    assert (line["event"], line["level"]) == ("the process ends", "critical")
    assert SECRET not in told


def told_of_a_thread_that_does(what):
    program = (
        "import sys, threading; from runtime import logs; logs.configure('p')\n"
        f"thread = threading.Thread(target=lambda: {what}, name='worker')\n"
        "thread.start(); thread.join()"
    )
    command = [sys.executable, "-c", program]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return lines(done.stderr)


def test_a_thread_that_ends_itself_is_no_line():
    assert told_of_a_thread_that_does("sys.exit(0)") == []


def test_a_thread_that_ends_so_is_one_line_too():
    [line] = told_of_a_thread_that_does(f"int({SECRET!r})")

    assert (line["event"], line["thread"]) == ("a thread ends", "worker")
    assert "ValueError" in line["exception"]
    assert SECRET not in line["exception"].splitlines()[-1]
