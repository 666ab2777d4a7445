"""The proxy on real sockets: what a bad network does is seen in the bytes."""

import socket
import socketserver
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from chaos.faults import Ground
from chaos.network import Cut, Network, Reset, Slow, Split, has_links_between
from chaos.proxy import CLEAR, Weather
from chaos.targets import NothingToHit, Target
from runtime.waiting import until

LINKS = ("one", "two", "one>two", "two>one/controller")
BROKERS = [Target(name, "broker", lambda: None) for name in ("one", "two")]


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Echo) as echo:
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        yield echo
        echo.shutdown()


@pytest.fixture
def ports(free_port):
    return {name: free_port() for name in ("control", *LINKS)}


@pytest.fixture
def proxy(server, ports):
    """The proxy as a process, with two links to one server."""
    there = f"127.0.0.1:{server.server_address[1]}"
    links = [f"{name}=127.0.0.1:{ports[name]},{there}" for name in LINKS]
    process = subprocess.Popen([sys.executable, "-m", "chaos.proxy", f"127.0.0.1:{ports['control']}", *links])
    until(
        lambda: _connect(ports["control"]), within_seconds=20, what="the proxy", retry_on=(OSError,)
    ).close()
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def network(proxy, ports):
    with Network("127.0.0.1", ports["control"]) as open_network:
        yield open_network


@pytest.fixture
def client(proxy, ports):
    """A connection over the first link that is known to work."""
    with closing(_connect(ports["one"])) as connection:
        assert _echo(connection, b"hello") == b"hello"
        yield connection


def _connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _echo(connection, data):
    connection.sendall(data)
    return _receive(connection, len(data))


def _receive(connection, size):
    received = b""
    while len(received) < size:
        received += connection.recv(size - len(received))
    return received


def _arrived(connection):
    """Whether anything can be read at once."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(5)


@pytest.mark.parametrize("way", ["both", "in", "out"])
def test_a_cut_link_holds_bytes_back_and_delivers_them_when_it_is_whole(network, client, way):
    blow = Cut(way).strike(Ground(BROKERS, network=network), BROKERS[:1])

    client.sendall(b"are you there?")
    until(lambda: network.counts()["one"]["held"] > 0, within_seconds=5, what="bytes to be held")

    assert not _arrived(client)
    effect = blow.heal(5)
    assert _receive(client, 14) == b"are you there?"
    assert effect == {"bytes_held": {"one": 14}}


def test_one_way_cut_lets_the_other_way_through(network, client):
    """What is cut on its way back has reached the server, and comes twice as one answer afterwards."""
    network.make("one", Weather(cut_out=True))

    client.sendall(b"first")
    until(lambda: network.counts()["one"]["held"] == 5, within_seconds=5, what="the answer to be held")
    network.make("one", CLEAR)

    assert _receive(client, 5) == b"first"


def test_other_links_are_left_alone(network, client, ports):
    network.make("one", Weather(cut_in=True, cut_out=True))

    with closing(_connect(ports["two"])) as other:
        assert _echo(other, b"well") == b"well"


def test_a_new_connection_over_a_cut_link_waits_as_its_bytes_do(network, ports):
    network.make("one", Weather(cut_in=True, cut_out=True))

    with closing(_connect(ports["one"])) as late:
        late.sendall(b"anybody?")
        until(lambda: network.counts()["one"]["held"] == 8, within_seconds=5, what="bytes to be held")
        network.make("one", CLEAR)
        assert _receive(late, 8) == b"anybody?"


def test_a_reset_ends_connections_and_new_ones_work(network, client, ports):
    effect = Reset().strike(Ground(BROKERS, network=network), BROKERS[:1]).heal(5)

    with pytest.raises(ConnectionResetError):
        _echo(client, b"hello?")
    assert effect == {"connections_reset": {"one": 1}}
    with closing(_connect(ports["one"])) as again:
        assert _echo(again, b"hello") == b"hello"


def test_a_slow_link_delays_every_byte_and_loses_none(network, client):
    blow = Slow(latency_ms=30, jitter_ms=10).strike(Ground(BROKERS, network=network), BROKERS[:1])
    sent = bytes(range(256)) * 800

    threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
    received = _receive(client, len(sent))

    assert received == sent
    assert blow.heal(5)["bytes_delayed"]["one"] >= len(sent)


def test_a_narrow_link_loses_nothing(network, client):
    network.make("one", Weather(bytes_per_second=1_000_000))
    sent = bytes(range(256)) * 800

    threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()

    assert _receive(client, len(sent)) == sent


def test_all_is_well_again_when_whoever_made_it_bad_is_gone(proxy, ports, client):
    with Network("127.0.0.1", ports["control"]) as mine:
        mine.make("*", Weather(cut_in=True, cut_out=True))
        client.sendall(b"held")
        until(lambda: mine.counts()["one"]["held"] > 0, within_seconds=5, what="bytes to be held")

    assert _receive(client, 4) == b"held"


def test_who_only_looks_whether_the_proxy_listens_changes_nothing(network, client, ports):
    network.make("one", Weather(cut_in=True))

    _connect(ports["control"]).close()
    client.sendall(b"held")

    until(lambda: network.counts()["one"]["held"] == 4, within_seconds=5, what="bytes to be held")
    assert not _arrived(client)


def test_an_end_is_passed_on_without_losing_what_came_before(client):
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)

    assert _receive(client, 10) == b"last words"
    assert client.recv(1) == b""


def test_a_server_that_is_away_is_told_by_a_reset(server, client, ports):
    server.shutdown()
    server.server_close()

    with pytest.raises(ConnectionResetError):
        _connect_and_echo(ports["one"])


def _connect_and_echo(port):
    with closing(_connect(port)) as connection:
        return _echo(connection, b"hello?")


def test_a_link_without_traffic_proves_nothing(network):
    assert Cut().strike(Ground(BROKERS, network=network), BROKERS).heal(5) == {}


def test_without_a_proxy_there_is_no_network_to_hit():
    with pytest.raises(NothingToHit):
        Reset().strike(Ground(BROKERS), BROKERS)


@pytest.mark.parametrize(
    ("way", "held"),
    [
        ("both", {"one>two": 5, "two>one/controller": 5}),
        ("out", {"one>two": 5, "two>one/controller": 6}),
        ("in", {"two>one/controller": 5, "one>two": 6}),
    ],
)
def test_a_broker_is_split_from_the_others_and_its_clients_are_not(network, client, ports, way, held):
    """What is held on the way there is not answered; where the answer is held, the server had it."""
    with closing(_connect(ports["one>two"])) as out, closing(_connect(ports["two>one/controller"])) as back:
        assert _echo(out, b"before") == _echo(back, b"before") == b"before"
        blow = Split(way).strike(Ground(BROKERS, network=network), BROKERS[:1])
        out.sendall(b"1" * held["one>two"])
        back.sendall(b"2" * held["two>one/controller"])
        until(
            lambda: {link for link, counts in network.counts().items() if counts["held"]} == held.keys(),
            within_seconds=10,
            what="bytes to be held",
        )
        assert _echo(client, b"hello") == b"hello"

        effect = blow.heal(1)

        assert effect == {"bytes_held": held}
        assert out.recv(64) == b"1" * held["one>two"]
        assert back.recv(64) == b"2" * held["two>one/controller"]


def test_the_way_between_brokers_is_slow_and_the_one_of_clients_is_not(network, client, ports):
    with closing(_connect(ports["one>two"])) as between:
        assert _echo(between, b"before") == b"before"
        blow = Slow(latency_ms=30, between=True).strike(Ground(BROKERS, network=network), BROKERS[:1])

        assert _echo(between, b"1234") == b"1234"
        assert _echo(client, b"hello") == b"hello"

        assert blow.heal(1) == {"bytes_delayed": {"one>two": 8}}


def test_where_no_proxy_stands_between_brokers_none_can_be_split(network):
    assert has_links_between(network)
    assert not has_links_between(None)
    with pytest.raises(NothingToHit):
        Split().strike(Ground(BROKERS, network=network), [Target("three", "broker", lambda: None)])
