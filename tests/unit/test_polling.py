"""Whatever a record holds, it becomes a delivery that can at least be parked."""

from types import SimpleNamespace

import pytest

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
