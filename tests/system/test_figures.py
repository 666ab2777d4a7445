"""What goes wrong in a running system is seen in its figures while it lasts, and not after it."""

from contextlib import contextmanager

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from contracts.services import ORDER, SERVICES
from runtime.waiting import until
from stack.layout import ROOT
from stack.ports import JMX, PORTS

TARGETS = yaml.safe_load((ROOT / "monitor" / "prometheus" / "targets.yml").read_text())
PROCESSES = [
    group["labels"]["process"]
    for group in TARGETS
    if f"{group['labels']['process']}-jmx" not in JMX and group["labels"]["process"] in PORTS
]
SECONDS_MAX = 60


def page(system, process):
    answer = requests.get(f"{system.layout.url(process)}/metrics", timeout=10)
    answer.raise_for_status()
    return answer.text


def figures(system, process="exporter"):
    """What a process tells: values by name and the values of the labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page(system, process))
        for sample in family.samples
    }


def most(told, name, *labels):
    """The highest figure of that name that has all these labels."""
    return max((v for (n, *rest), v in told.items() if n == name and set(labels) <= set(rest)), default=0.0)


def total(told, name, *labels):
    """All figures of that name that have all these labels, together."""
    return sum(v for (n, *rest), v in told.items() if n == name and set(labels) <= set(rest))


@pytest.fixture
def comes(system):
    """A function that waits until the exporter's figures are so."""

    def wait(what, condition, within_seconds=SECONDS_MAX):
        until(lambda: condition(figures(system)), within_seconds=within_seconds, every_seconds=1, what=what)

    return wait


@contextmanager
def stopped_connector(system, service):
    """Its tasks end, and it lets go of its slot; Connect answers before that, and relays on for a moment."""
    url = f"{system.layout.url('connect-1')}/connectors/{service.connector}"
    requests.put(f"{url}/stop", timeout=30).raise_for_status()
    try:
        until(
            lambda: not figures(system)[("neverlost_slot_active", service.name)],
            within_seconds=60,
            every_seconds=1,
            what=f"slot {service.slot} to be let go",
        )
        yield
    finally:
        requests.put(f"{url}/resume", timeout=30).raise_for_status()


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_tells_of_itself(system, process):
    assert figures(system, process)[("process_resident_memory_bytes",)] > 1e6


def test_what_an_order_does_is_counted_on_its_whole_way(system):
    system.final_status(system.place())

    assert most(figures(system, "order"), "neverlost_http_requests_total", "/orders", "POST", "2xx") > 0
    assert most(figures(system, "order"), "neverlost_group_commit_requests_count") > 0
    assert most(figures(system, "payment-executor"), "neverlost_gateway_calls_total", "charge", "done") > 0
    for service in SERVICES:
        told = figures(system, f"{service.name}-worker")
        assert most(told, "neverlost_messages_total", service.name, "handled") > 0
        assert most(told, "neverlost_batch_messages_count", service.name) > 0
        assert most(told, "neverlost_offset_commits_total", service.name, "taken") > 0


def test_a_sound_system_is_told_as_sound(system, comes):
    """Other tests may have left it with relays that catch up."""
    comes(
        "everything to answer, run and hold",
        lambda told: (
            all(value for (name, *_), value in told.items() if name == "neverlost_source_up")
            and told[("neverlost_slot_active", "order")]
            and told[("neverlost_connector_state", "order-outbox", "RUNNING")]
            and told[("neverlost_audit_invariant_holds", "S4")]
            and most(told, "neverlost_outbox_awaited_events") == 0
            and most(told, "neverlost_relay_heard_age_seconds") < 10
            and told[("neverlost_slot_safe_bytes", "order")] > 0
            and ("neverlost_consumer_lag_offsets", "payment", "payment-commands") in told
        ),
    )


def test_a_connector_that_stands_is_seen_by_its_slot_its_beat_and_what_waits(system, comes):
    """SlotInactive, ConnectorDown, RelaySilent and OutboxOldestAge are told from these."""
    with stopped_connector(system, ORDER):
        order = system.place()
        comes(
            "the connector to be seen standing",
            lambda told: (
                told[("neverlost_connector_state", ORDER.connector, "STOPPED")]
                and not told[("neverlost_slot_active", "order")]
                and told[("neverlost_slot_active", "payment")]
                and told[("neverlost_relay_heartbeat_age_seconds", "order")] > 10
                and told[("neverlost_relay_heartbeat_age_seconds", "payment")] < 10
                and total(told, "neverlost_outbox_awaited_events", "order") >= 3
                and most(told, "neverlost_outbox_awaited_events_oldest_age_seconds", "order") > 10
                and told[("neverlost_slot_lag_bytes", "order")] > 0
            ),
        )

    assert system.final_status(order, within_seconds=90) in {"COMPLETED", "CANCELLED"}
    comes(
        "it to be seen working",
        lambda told: (
            told[("neverlost_connector_state", ORDER.connector, "RUNNING")]
            and told[("neverlost_slot_active", "order")]
            and told[("neverlost_relay_heartbeat_age_seconds", "order")] < 10
            and most(told, "neverlost_outbox_awaited_events", "order") == 0
        ),
    )


def test_a_consumer_that_is_frozen_is_behind_in_time_and_in_offsets(system, comes):
    """ConsumerLagTime is told from this."""
    with system.frozen("inventory-worker"):
        order = system.place()
        comes(
            "the consumer to be seen behind",
            lambda told: (
                most(told, "neverlost_unread_events_oldest_age_seconds", "inventory") > 5
                and told[("neverlost_consumer_lag_offsets", "inventory", "inventory-commands")] > 0
                and most(told, "neverlost_sagas_awaiting", "RUNNING", "reserve") > 0
            ),
        )

    assert system.final_status(order, within_seconds=90) in {"COMPLETED", "CANCELLED"}
    comes("it to have caught up", lambda told: most(told, "neverlost_unread_events", "inventory") == 0)


def test_an_auditor_that_is_frozen_is_told_by_the_age_of_its_round(system, comes):
    """AuditorBehind is told from this; its figures stand still meanwhile, and its verdict is none."""
    with system.frozen("auditor"):
        comes(
            "its round to be seen as old",
            lambda told: (
                told[("neverlost_audit_round_age_seconds",)] > 20
                and told[("neverlost_audit_verdict", "grey")]
            ),
        )

    comes("a new round", lambda told: told[("neverlost_audit_round_age_seconds",)] < 10)


def test_an_order_that_waits_for_a_person_is_told_until_somebody_has_decided(system, comes):
    """SagaNeedsAttention is told from this."""
    attention = ("neverlost_sagas", "NEEDS_ATTENTION")
    before = figures(system)[attention]

    order = system.place("SOLD-OUT", 1, "tok_refund_refused")

    comes("it to be seen waiting", lambda told: told[attention] == before + 1, within_seconds=90)
    assert system.run("sagas", "resolve", order, "--note", "given back by hand").returncode == 0
    comes("it to be settled", lambda told: told[attention] == before)
