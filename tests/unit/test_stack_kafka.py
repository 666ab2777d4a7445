"""The brokers' settings."""

from dataclasses import replace
from pathlib import Path

from contracts.topics import MIN_INSYNC_REPLICAS
from stack import kafka
from stack.layout import BROKERS, Layout

LAYOUT = Layout(state=Path("/my state"), cache=Path("/cache"), port_offset=10_000)


def test_brokers_differ_in_themselves_alone():
    first, second, third = (kafka.properties(LAYOUT, broker) for broker in BROKERS)

    differing = {key for key in first if not first[key] == second[key] == third[key]}

    assert differing == {"node.id", "listeners", "advertised.listeners", "log.dirs"}


def test_no_acknowledged_write_is_lost_with_one_broker():
    settings = kafka.properties(LAYOUT, "broker-1")

    assert settings["min.insync.replicas"] == str(MIN_INSYNC_REPLICAS) == "2"
    assert settings["transaction.state.log.min.isr"] == "2"
    assert settings["unclean.leader.election.enable"] == "false"
    assert settings["auto.create.topics.enable"] == "false"


def test_a_dead_broker_is_noticed_within_seconds_and_a_slow_one_is_not():
    settings = kafka.properties(LAYOUT, "broker-1")

    assert 1000 <= int(settings["broker.session.timeout.ms"]) <= 4000
    assert int(settings["broker.heartbeat.interval.ms"]) * 4 <= int(settings["broker.session.timeout.ms"])


def test_brokers_listen_on_this_machine_alone():
    settings = kafka.properties(LAYOUT, "broker-2")

    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:19192,CONTROLLER://127.0.0.1:19193"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:19093,2@127.0.0.1:19193,3@127.0.0.1:19293"


def test_settings_become_one_line_each():
    assert kafka.as_text({"a": "1", "b": "x y"}) == "a=1\nb=x y\n"


def test_whoever_comes_by_the_detour_is_sent_back_to_it():
    """Who comes by the first listener meets no proxy; other brokers are told a name."""
    plain = kafka.properties(LAYOUT, "broker-2")
    detoured = kafka.properties(replace(LAYOUT, detour=True), "broker-2")

    listens, tells = (detoured[key].split(",") for key in ("listeners", "advertised.listeners"))
    assert listens[:3] == [*plain["listeners"].split(","), "DETOUR://127.0.0.1:19195"]
    assert tells[:2] == [plain["advertised.listeners"], "DETOUR://127.0.0.1:19194"]
    assert detoured["inter.broker.listener.name"] == "PEERS"
    assert "PEERS://broker-2:19196" in tells


def test_brokers_meet_the_proxy_on_their_way_to_one_another():
    """Each has its own idea of where the others are; the proxy listens there."""
    detoured = replace(LAYOUT, detour=True)
    links = dict(link.split("=") for link in kafka.links(detoured))
    found = {line.split()[-1]: line.split()[0] for line in kafka.hosts("broker-2").splitlines()}

    assert len(links) == 3 * 2 * 2
    assert links["broker-2>broker-3"] == f"{found['broker-3']}:19296,127.0.0.1:19296"
    assert links["broker-2>broker-3/controller"] == f"{found['broker-3']}:19293,127.0.0.1:19293"
    assert found["broker-2"] == "127.0.0.1"
    assert kafka.properties(detoured, "broker-2")["controller.quorum.voters"].startswith("1@broker-1:19093,")
    assert f"-Djdk.net.hosts.file={detoured.kafka}/broker-2/hosts" in kafka.command(detoured, "broker-2")
