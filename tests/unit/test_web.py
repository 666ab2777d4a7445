"""What is decided about a request without any database: keys, wishes, limits, load."""

import pytest
from flask import Flask
from sqlalchemy import create_engine

from runtime.environment import Environment
from runtime.errors import SettingsError
from web.idempotency import fingerprint, parse_key
from web.load import Load, WalPressure, is_high
from web.preferences import Waiters, wished_wait
from web.problems import Problem
from web.rate_limit import FORM, Decision, RateLimit, headers, parse_rate_limit, retry_after
from web.validation import RequestModel

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/none"


class Wanted(RequestModel):
    sku: str
    token: str = "tok_ok"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        (' "abc" ', "abc"),
        (r'"a\"b\\c"', r"a\"b\c".replace(r"\"", '"')),
        ('a"b', 'a"b'),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("~" * 255, "~" * 255),
        ('"' + "~" * 255 + '"', "~" * 255),
    ],
)
def test_a_key_is_taken_bare_and_as_a_quoted_string(header, key):
    assert parse_key(header) == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        '""',
        '"',
        '"abc',
        r'"a\bc"',
        '"a b"',
        "a b",
        "a\tb",
        "ключ",
        "a\x7f",
        "~" * 256,
        f'"{"~" * 256}"',
    ],
)
def test_any_other_key_is_refused(header):
    with pytest.raises(Problem) as refused:
        parse_key(header)

    assert refused.value.status == 400


def test_a_fingerprint_is_that_of_the_meaning_not_of_the_spelling():
    first = Wanted.model_validate_json('{"sku": "PIZZA", "token": "t"}')

    assert fingerprint("/orders", first) == fingerprint(
        "/orders", Wanted.model_validate_json('{"token":"t","sku":"PIZZA"}')
    )
    assert fingerprint("/orders", first) != fingerprint("/orders", Wanted(sku="PIZZA", token="u"))
    assert fingerprint("/orders", first) != fingerprint("/order", first)
    assert fingerprint("/orders/1/cancel", None) != fingerprint("/orders/2/cancel", None)


def test_a_default_that_comes_later_makes_no_other_request_of_an_old_one():
    class WantedThen(RequestModel):
        sku: str

    assert fingerprint("/", WantedThen(sku="PIZZA")) == fingerprint("/", Wanted(sku="PIZZA"))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5),
        ("WAIT=5", 5),
        ('wait = "5"', 5),
        ("wait=0", 0),
        ("wait=11", 10),
        ("wait=" + "9" * 5000, 10),
        ("respond-async, wait=3", 3),
        ("respond-async,wait=3; foo=bar", 3),
        ("wait=2, wait=9", 2),
        (None, None),
        ("", None),
        ("wait", None),
        ("wait=", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=٣", None),
        ("wait=soon, wait=9", None),
        ('foo="wait=3"', None),
        ("handling=lenient", None),
    ],
)
def test_a_wish_to_wait_is_understood_or_ignored(header, seconds):
    assert wished_wait(header) == seconds


def test_who_comes_when_every_seat_is_taken_does_not_wait():
    waiters = Waiters(most=1)
    seen = []

    def again():
        seen.append(waiters.settled({"n": 1}, dict, lambda _: True))
        return {"n": 2}

    with Flask(__name__).test_request_context(headers={"Prefer": "wait=5"}):
        waited = waiters.settled({"n": 0}, again, lambda body: body["n"] == 2)
        later = waiters.settled({"n": 3}, again, lambda _: True)

    assert waited == ({"n": 2}, {"Preference-Applied": "wait=5"})
    assert seen == [({"n": 1}, {})]
    assert later == ({"n": 3}, {"Preference-Applied": "wait=5"})


def test_a_wait_ends_with_what_is_there_then():
    with Flask(__name__).test_request_context(headers={"Prefer": "wait=0"}):
        body, granted = Waiters().settled({"n": 0}, lambda: {"n": 1}, lambda _: False)

    assert (body, granted) == ({"n": 1}, {"Preference-Applied": "wait=0"})


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("off", None),
        ("20/s", RateLimit(20, 1, 20)),
        ("100/10s", RateLimit(100, 10, 100)),
        ("20/s;burst=40", RateLimit(20, 1, 40)),
        ("1/60s;burst=1", RateLimit(1, 60, 1)),
    ],
)
def test_a_limit_is_read_from_the_environment(text, limit):
    assert Environment({"RATE_LIMIT": text}).parsed("RATE_LIMIT", parse_rate_limit, "off", FORM) == limit


@pytest.mark.parametrize(
    "text", ["20", "0/s", "20/0s", "20/m", "-1/s", "20/s;burst=0", "20/s; burst=4", "on", "٣/s"]
)
def test_what_is_no_limit_is_told_in_one_line(text):
    environment = Environment({"RATE_LIMIT": text})
    environment.parsed("RATE_LIMIT", parse_rate_limit, "off", FORM)

    with pytest.raises(SettingsError, match=r"RATE_LIMIT=.* is not requests/seconds such as"):
        environment.check()


def test_headers_tell_what_is_left_and_when_all_is():
    limit = RateLimit(requests=20, seconds=1, burst=40)

    first = headers(limit, Decision(allowed=True, ahead=limit.emission))
    last = headers(limit, Decision(allowed=True, ahead=limit.tolerance))

    assert first == {"RateLimit-Policy": '"default";q=40;w=2', "RateLimit": '"default";r=39;t=1'}
    assert last["RateLimit"] == '"default";r=0;t=2'


@pytest.mark.parametrize(("ahead", "seconds"), [(60.0, 30), (45.1, 16), (30.001, 1), (0.0, 1)])
def test_retry_after_is_when_one_more_request_fits(ahead, seconds):
    limit = RateLimit(requests=2, seconds=60, burst=2)

    assert retry_after(limit, Decision(allowed=False, ahead=ahead)) == seconds


@pytest.mark.parametrize(
    ("share", "high"), [(None, False), (0.0, False), (0.849, False), (0.85, True), (1.2, True)]
)
def test_only_wal_that_is_nearly_lost_refuses_orders(share, high):
    assert is_high(share) is high


def test_more_orders_at_once_than_places_are_refused_and_places_come_back():
    load = Load(WalPressure(create_engine(NOWHERE)), most=2)

    with load.admission() as first, load.admission() as second:
        with load.admission() as third:
            pass
        with load.admission() as fourth:
            pass
    with load.admission() as after:
        pass

    assert (first, second, after) == (None, None, None)
    assert third.status == fourth.status == 503
    assert 1 <= int(third.headers["Retry-After"]) <= 5


def test_a_place_comes_back_after_an_error():
    load = Load(WalPressure(create_engine(NOWHERE)), most=1)

    with pytest.raises(ValueError, match="no"), load.admission():
        raise ValueError("no")

    with load.admission() as refusal:
        assert refusal is None


def test_wal_that_cannot_be_looked_up_refuses_nothing():
    assert WalPressure(create_engine(NOWHERE)).is_high() is False
