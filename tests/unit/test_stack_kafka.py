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

    assert 2000 <= int(settings["broker.session.timeout.ms"]) <= 4000
    assert int(settings["broker.heartbeat.interval.ms"]) * 4 <= int(settings["broker.session.timeout.ms"])


def test_brokers_listen_on_this_machine_alone():
    settings = kafka.properties(LAYOUT, "broker-2")

    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:19192,CONTROLLER://127.0.0.1:19193"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:19093,2@127.0.0.1:19193,3@127.0.0.1:19293"


def test_settings_become_one_line_each():
    assert kafka.as_text({"a": "1", "b": "x y"}) == "a=1\nb=x y\n"


def test_a_detour_is_for_clients_alone():
    """Brokers reach one another where they always do; whoever comes by the detour is sent back to it."""
    plain = kafka.properties(LAYOUT, "broker-2")
    detoured = kafka.properties(replace(LAYOUT, detour=True), "broker-2")

    assert {key for key in plain if plain[key] != detoured[key]} == {
        "listeners",
        "advertised.listeners",
        "listener.security.protocol.map",
    }
    assert detoured["listeners"] == plain["listeners"] + ",DETOUR://127.0.0.1:19195"
    assert detoured["advertised.listeners"] == plain["advertised.listeners"] + ",DETOUR://127.0.0.1:19194"
    assert detoured["inter.broker.listener.name"] == "PLAINTEXT"
