"""Where an event is, and whether its page is read again."""

from dataclasses import replace

from dashboard.event_facts import Found
from dashboard.event_words import is_settled, tell
from dashboard.sentences import Tone
from dashboard.way import Letter
from tests.orders_way import a_way, ago, an_event


def found(event, **way):
    return Found(event, None, event.places, None, is_lost=False, way=a_way("PENDING", events=(event,), **way))


def arrived():
    return an_event(
        "payment.charge.v1",
        "payment-commands",
        "order",
        "payment",
        written=ago(9),
        appended=ago(8),
        seen=ago(7),
    )


def letter(**changes):
    parked = Letter(
        service="payment", id=1, type="x", state="culprit", reason="No: why\nat", parked_at=ago(7)
    )
    return replace(parked, **changes)


def test_an_event_that_everybody_has_is_settled():
    assert is_settled(found(arrived()))
    assert tell(found(arrived()))[0].tone is Tone.GOOD


def test_an_event_that_is_parked_is_not_settled_before_its_letter_is():
    waiting = found(arrived(), letters=(letter(),))

    assert not is_settled(waiting)
    assert tell(waiting)[0].text == "At payment it has been parked for 7.0 s: No: why."
    assert is_settled(found(arrived(), letters=(letter(settled_at=ago(1)),)))


def test_an_event_is_not_settled_while_somebody_who_must_have_it_is_away():
    assert not is_settled(found(arrived(), away={"the payment database": "it does not answer"}))
