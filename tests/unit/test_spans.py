"""What is told of a message that was handled, and when there is nobody to tell."""

import time

import pytest

from messaging.spans import tell_handled
from runtime import spans
from runtime.spans import Kind
from runtime.trace import Span
from tests.builders import a_delivery, charge

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def told(monkeypatch):
    """Every span that was told."""
    found = []
    monkeypatch.setattr(spans, "_collectors", [])
    spans.collect_with(found.append)
    return found


def test_each_message_is_told_after_the_one_that_it_answers(told):
    after = a_delivery(charge(), headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
    first = a_delivery(charge())
    began = time.time_ns()

    tell_handled("payment", [after, first], began, error="ValueError")

    assert [span.parent for span in told] == [Span(TRACE, CALLER, 1), None]
    assert [span.traceparent for span in told] == [after.traceparent, first.traceparent]
    assert {(span.name, span.kind, span.error) for span in told} == {
        ("process payment-commands", Kind.CONSUMER, "ValueError")
    }
    assert all(span.began == began <= span.ended for span in told)
    assert told[0].attributes["messaging.consumer.group.name"] == "payment"
    assert told[0].attributes["order_id"] == after.key


def test_where_nobody_collects_nothing_is_made(monkeypatch):
    monkeypatch.setattr(spans, "_collectors", [])

    tell_handled("payment", iter(lambda: pytest.fail("nobody wants it"), None), 0)
