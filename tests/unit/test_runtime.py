"""The environment is read once and complains once; waits are bounded."""

import socket

import pytest

from runtime.chance import happens
from runtime.environment import Environment
from runtime.errors import SettingsError, WaitedTooLong
from runtime.reaching import takes_connections
from runtime.waiting import Backoff, until


def test_every_problem_is_told_in_one_line(tmp_path):
    environment = Environment(
        {"RATE": "2", "BIND": "here", "COUNT": "x", "TOKEN_FILE": str(tmp_path / "none")}
    )
    environment.text("DATABASE_URL")
    environment.rate("RATE")
    environment.bind("BIND")
    environment.whole("COUNT", 1)
    environment.file("TOKEN_FILE")

    with pytest.raises(SettingsError) as told:
        environment.check()

    (tmp_path / "empty").write_text("\n")
    assert "is empty" in _problem(lambda e: e.file("F"), {"F": str(tmp_path / "empty")})
    for problem in ("DATABASE_URL is missing", "RATE='2'", "BIND='here'", "COUNT='x'", "TOKEN_FILE="):
        assert problem in str(told.value)


def _problem(read, variables):
    environment = Environment(variables)
    read(environment)
    with pytest.raises(SettingsError) as told:
        environment.check()
    return str(told.value)


@pytest.mark.parametrize("url", ["ftp://there", "sqlite:", "there:7000"])
def test_a_url_that_begins_as_none_of_those_that_are_known_is_told(url):
    told = _problem(lambda e: e.url("URL", "http://", "sqlite:"), {"URL": url})

    assert told == f"URL={url!r} is not http://… or sqlite:…"


@pytest.mark.parametrize("place", ["here", ":80", "here:", "here:²"])
def test_a_place_to_listen_on_that_is_none_is_told(place):
    assert _problem(lambda e: e.bind("BIND"), {"BIND": place}) == f"BIND={place!r} is not host:port"


@pytest.mark.parametrize("servers", ["kafka", "a:1,b", "a:1,:2", "a:70000"])
def test_servers_without_a_place_each_are_told(servers):
    told = _problem(lambda e: e.servers("S"), {"S": servers})

    assert told == f"S={servers!r} is not host:port, several separated by commas"


def can_listen(family, host):
    try:
        socket.create_server((host, 0), family=family).close()
    except OSError:
        return False
    return True


# Containers often have no addresses of the second kind.
KINDS = [kind for kind in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")) if can_listen(*kind)]


@pytest.mark.parametrize(("family", "host"), KINDS)
def test_a_server_is_reached_where_any_of_them_listens(family, host):
    with socket.create_server((host, 0), family=family) as listening:
        port = listening.getsockname()[1]
        place = f"[{host}]:{port}" if family is socket.AF_INET6 else f"{host}:{port}"

        assert takes_connections(("127.0.0.1:1", place), 1)
    assert not takes_connections(("127.0.0.1:1", place), 1)


def test_a_url_that_is_missing_is_told_once():
    assert _problem(lambda e: e.url("URL", "http://"), {}) == "URL is missing"


def test_good_values_are_read(tmp_path):
    (tmp_path / "token").write_text("abc\n")
    environment = Environment(
        {
            "S": "a:1, b:2",
            "B": "127.0.0.1:80",
            "R": "0.2",
            "T": str(tmp_path / "token"),
            "U": "sqlite:/there",
        }
    )

    assert environment.url("U", "http://", "sqlite:") == "sqlite:/there"
    assert environment.texts("S") == ("a:1", "b:2")
    assert environment.bind("B") == ("127.0.0.1", 80)
    assert environment.rate("R") == 0.2
    assert environment.file("T") == "abc"
    environment.check()


def test_a_wait_ends_and_says_what_it_waited_for():
    with pytest.raises(WaitedTooLong, match=r"waited 0.05 s for a miracle \(last: not yet\)"):
        until(_fail, within_seconds=0.05, what="a miracle", every_seconds=0.01, retry_on=(ValueError,))


def _fail():
    raise ValueError("not yet")


def test_pauses_grow_and_end():
    pauses = list(Backoff(attempts=8, first_seconds=1, most_seconds=10))

    assert len(pauses) == 8
    assert all(0.5 <= pause <= 10 for pause in pauses)
    assert max(pauses[:1]) <= 1 < min(pauses[4:])


def test_chance_keeps_its_rate_and_its_word():
    drawn = [happens(f"name {n}", 0.2) for n in range(5000)]

    assert drawn == [happens(f"name {n}", 0.2) for n in range(5000)]
    assert 0.17 < sum(drawn) / len(drawn) < 0.23
    assert not any(happens(f"name {n}", 0.0) for n in range(100))
    assert all(happens(f"name {n}", 1.0) for n in range(100))
