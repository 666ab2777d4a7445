"""Whatever a record holds, it becomes a delivery that can at least be parked."""

from types import SimpleNamespace

import pytest

from messaging import polling
from messaging.polling import KEY_CHARACTERS_MAX, delivery


@pytest.mark.parametrize("raw", [None, b"", b"\xff\x00", b"k" * 5000, "ä\x00".encode()])
def test_a_record_of_any_bytes_becomes_a_delivery(raw):
    record = SimpleNamespace(
        topic="t", partition=0, offset=1, key=raw, value=raw, headers=[("a\x00", raw), ("ce_id", raw)]
    )

    made = delivery(record)

    texts = [made.key, *made.headers, *made.headers.values()]
    assert not any("\x00" in text for text in texts)
    assert len(made.key) <= KEY_CHARACTERS_MAX
    assert made.event_id is None
    assert made.value == (raw or b"")


def test_workers_read_what_is_committed_and_commit_for_themselves(monkeypatch):
    """What cannot be seen from outside a running worker: these are settings of its own client."""
    given = {}
    coordinator = SimpleNamespace(need_rejoin=lambda: False)
    client = SimpleNamespace(subscribe=lambda _topics: None, _coordinator=coordinator)
    monkeypatch.setattr(polling, "KafkaConsumer", lambda **settings: given.update(settings) or client)

    polling.connect_consumer(["127.0.0.1:1"], "order", ["payment-success"])

    assert given["isolation_level"] == "read_committed"
    assert given["enable_auto_commit"] is False
    assert given["auto_offset_reset"] == "none"
    assert given["allow_auto_create_topics"] is False
    assert given["group_id"] == "order"
