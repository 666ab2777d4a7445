"""The adapter to a gateway in the caller's own process: the simulated one's rules, over a ledger in a file.

For whoever measures the way of an order: no second HTTP server takes part, and a charge is a local write.
It tells nothing by itself, so there are no webhooks.
"""

import sqlite3
import threading
from collections.abc import Callable

from contracts.messages import Money
from payment.gateway import Outcome, OutcomeUnknown
from payment.simulated_cards import Cards, Fate


class LocalGateway:
    """What would hang is unknown at once; what is slow is waited for, on `stop`. Threads may share it."""

    def __init__(self, cards: Cards, stop: threading.Event) -> None:
        self._cards, self._stop = cards, stop

    def charge(self, key: str, money: Money, token: str) -> Outcome:
        return self._done(lambda: self._cards.charge(key, money.amount, money.currency, token))

    def refund(self, key: str, money: Money, charge_key: str) -> Outcome:
        return self._done(lambda: self._cards.refund(key, money.amount, money.currency, charge_key))

    def find(self, key: str) -> Outcome | None:
        return self._told(lambda: self._cards.find(key))

    def _done(self, ask: Callable[[], Fate]) -> Outcome:
        outcome = self._told(ask)
        assert outcome is not None  # noqa: S101 - what is done, or declined, stands in the ledger
        return outcome

    def _told(self, ask: Callable[[], Fate]) -> Outcome | None:
        try:
            fate = ask()
        except sqlite3.Error as error:
            raise OutcomeUnknown(f"the gateway's ledger: {error}") from error
        if fate.silence:
            raise OutcomeUnknown(f"the gateway does not say: {fate.silence.name}")
        self._stop.wait(fate.seconds)
        return Outcome(*fate.entry) if fate.entry else None
