"""W3C Trace Context: what is let in, what is drawn, and what is handed on."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import spans, trace
from runtime.spans import Ended, Kind
from runtime.trace import RANDOM, SAMPLED, Span

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def ids(size):
    return st.text("0123456789abcdef", min_size=size, max_size=size).filter(lambda text: text != "0" * size)


traceparents = st.builds("00-{}-{}-{:02x}".format, ids(32), ids(16), st.integers(0, 255))


def test_the_example_of_the_standard_is_read():
    assert trace.parse(GOOD) == Span(TRACE, SPAN, SAMPLED)
    assert trace.trace_id(GOOD) == TRACE


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="nothing"),
        pytest.param("", id="empty"),
        pytest.param(GOOD.upper(), id="capitals"),
        pytest.param(GOOD.replace("a", "A"), id="one capital"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", id="no trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="no parent"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01", id="the forbidden version"),
        pytest.param(f"0-{TRACE}-{SPAN}-01", id="a short version"),
        pytest.param(f"zz-{TRACE}-{SPAN}-01", id="a version that is no number"),
        pytest.param(f"{GOOD}-more", id="more than version 00 has"),
        pytest.param(f"{GOOD}-", id="one hyphen more"),
        pytest.param(f"01-{TRACE}-{SPAN}-01.more", id="a later version, without the hyphen"),
        pytest.param(f"01-{TRACE}-{SPAN}-011", id="a later version whose flags are too long"),
        pytest.param(f"00-{TRACE[:-1]}-{SPAN}-01", id="a short trace"),
        pytest.param(f"00-{TRACE}-{SPAN}0-01", id="a long parent"),
        pytest.param(f"00-{TRACE}-{SPAN}-1", id="short flags"),
        pytest.param(f"00-{TRACE}-{SPAN}", id="no flags"),
        pytest.param(f" {GOOD}", id="a space before"),
        pytest.param(f"{GOOD}\n", id="a line's end"),
        pytest.param(f"{GOOD},{GOOD}", id="two headers"),
        pytest.param(GOOD.replace("4", "٤"), id="digits of another script"),
        pytest.param("tok_secret", id="something else"),
    ],
)
def test_what_the_standard_forbids_begins_a_new_trace(text):
    assert trace.parse(text) is None
    assert trace.trace_id(text) is None
    begun = trace.follow(text)
    assert trace.parent(begun, text) is None
    assert trace.parse(begun).trace_id != TRACE
    assert trace.parse(begun).is_sampled


@pytest.mark.parametrize("more", ["", "-", "-what a later version adds"])
def test_a_later_version_is_read_as_far_as_it_is_known_and_answered_in_ours(more):
    taken = trace.follow(f"cc-{TRACE}-{SPAN}-01{more}")

    assert taken.startswith(f"00-{TRACE}-")
    assert len(taken) == len(GOOD)
    assert trace.parent(taken, GOOD).span_id == SPAN


@given(traceparents)
def test_a_child_keeps_trace_and_flags_that_are_known_and_has_an_id_of_its_own(text):
    parent, child = trace.parse(text), trace.parse(trace.follow(text))

    assert child.trace_id == parent.trace_id
    assert child.span_id != parent.span_id
    assert child.flags == int(text[-2:], 16) & (SAMPLED | RANDOM)
    assert child.is_sampled == parent.is_sampled == bool(int(text[-1], 16) & 1)
    assert trace.parent(trace.follow(text), text) == parent
    assert trace.of_ours(text) == trace.trace_id(text) == parent.trace_id


@given(traceparents, traceparents)
def test_a_span_of_another_trace_is_no_parent(text, another):
    assert (trace.parent(text, another) is None) == (trace.trace_id(text) != trace.trace_id(another))


@given(st.text() | st.text(string.hexdigits + "-", max_size=60))
def test_no_text_is_too_strange(text):
    taken = trace.parse(trace.follow(text))

    assert taken is not None
    assert (taken.trace_id in text) == (trace.parse(text) is not None)


@given(traceparents, st.integers(0, 54), st.characters())
def test_one_character_that_is_wrong_makes_it_no_good_or_another_good_one(text, place, character):
    changed = text[:place] + character + text[place + 1 :]

    found = trace.parse(changed)

    assert (found is None) or changed.isascii()
    if place in {2, 35, 52} and character != "-":
        assert found is None


def test_each_trace_and_each_span_is_another():
    begun = [trace.parse(trace.begin()) for _ in range(1000)]
    children = [trace.parse(trace.follow(GOOD)) for _ in range(1000)]

    assert len({span.trace_id for span in begun}) == 1000
    assert len({span.span_id for span in (*begun, *children)}) == 2000
    assert {span.flags for span in begun} == {SAMPLED | RANDOM}


def test_an_id_is_never_all_zeros(monkeypatch):
    monkeypatch.setattr(trace.random, "getrandbits", lambda _bits: 0)

    assert trace.parse(trace.begin())
    assert trace.parse(trace.follow(GOOD))


# ── spans


def test_a_collector_that_fails_stops_nobody(monkeypatch, logged):
    told = []

    def fail(_ended):
        raise RuntimeError("out of threads")

    monkeypatch.setattr(spans, "_collectors", [])
    spans.collect_with(fail)
    spans.collect_with(told.append)
    ended = Ended(trace.begin(), None, "POST /orders", Kind.SERVER, 1, 2, {})

    spans.tell(ended)

    assert told == [ended]
    assert [line["reason"] for line in logged()] == ["RuntimeError: out of threads"]
