"""The simulated gateway's rules: what becomes of a charge, a refund, a question. No HTTP, and nobody waits.

The token says how a charge goes (TOKENS), and a share `failure_rate` of good charges is declined too, always
the same ones. Every operation is kept under its idempotency key, so a repeated call gets the first one's
answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from payment.simulated_ledger import Entry, Ledger
from runtime.chance import happens

SLOW_SECONDS = 1.5


class First(Enum):
    """What is wrong with the first call of a key; the ones after it are answered."""

    ERROR = auto()  # an error, and nothing is done
    HANG = auto()  # no answer, and nothing is done
    DO_AND_HANG = auto()  # no answer, but it is done


@dataclass(frozen=True, slots=True)
class Card:
    """How charges of a token go."""

    declined: str | None = None
    refund_declined: str | None = None
    seconds: float = 0.0
    first: First | None = None
    silent: bool = False  # nothing is done, and nobody is ever told

    @property
    def is_remembered(self) -> bool:
        """Whether what comes later under the same key goes by this card too."""
        return self.silent or self.first is not None or self.refund_declined is not None


TOKENS: Mapping[str, Card] = MappingProxyType(
    {
        "tok_ok": Card(),
        "tok_declined": Card(declined="the card was declined"),
        "tok_slow": Card(seconds=SLOW_SECONDS),
        "tok_timeout_charged": Card(first=First.DO_AND_HANG),
        "tok_timeout_not_charged": Card(first=First.HANG),
        "tok_error_then_ok": Card(first=First.ERROR),
        "tok_refund_refused": Card(refund_declined="this card takes no refunds"),
        "tok_unknown_for_ever": Card(silent=True),
    }
)
_NO_CARD = Card(declined="the token is not known")


class Silence(Enum):
    """Why a call is not answered."""

    ERROR = auto()  # it fails this once
    HANG = auto()  # it is left waiting
    FOR_EVER = auto()  # it always fails


@dataclass(frozen=True, slots=True)
class Fate:
    """What a call comes to: it is answered with `entry` after so many `seconds`, unless there is `silence`.

    `entry` is what stands under the key, None where nothing does; `is_new` where this call put it there.
    """

    entry: Entry | None = None
    is_new: bool = False
    seconds: float = 0.0
    silence: Silence | None = None


@dataclass(frozen=True, slots=True)
class Cards:
    """The rules over a ledger. Every method raises sqlite3.Error where the ledger cannot be used."""

    ledger: Ledger
    failure_rate: float

    def charge(self, key: str, amount: int, currency: str, token: str) -> Fate:
        card = TOKENS.get(token, _NO_CARD)
        is_first = card.is_remembered and self.ledger.first_call(key, token)
        first = card.first if is_first else None
        if card.silent:
            return Fate(silence=Silence.FOR_EVER)
        if first is First.ERROR:
            return Fate(silence=Silence.ERROR)
        if first is First.HANG:
            return Fate(silence=Silence.HANG)
        kept = self.ledger.keep_charge(key, amount, currency, card.declined or self._bad_luck(key))
        return Fate(*kept, card.seconds, Silence.HANG if first is First.DO_AND_HANG else None)

    def refund(self, key: str, amount: int, currency: str, charge: str) -> Fate:
        """`charge` is the key of the charge that money goes back from."""
        declined = self._card_of(charge).refund_declined
        return Fate(*self.ledger.keep_refund(key, amount, currency, charge, declined))

    def find(self, key: str) -> Fate:
        if self._card_of(key).silent:
            return Fate(silence=Silence.FOR_EVER)
        return Fate(self.ledger.find(key))

    def _card_of(self, key: str) -> Card:
        return TOKENS.get(self.ledger.token_of(key) or "", _NO_CARD)

    def _bad_luck(self, key: str) -> str | None:
        return "a simulated failure" if happens(f"charge {key}", self.failure_rate) else None
