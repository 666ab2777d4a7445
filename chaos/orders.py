"""What customers will ask, and when: drawn from a seed before anything begins, so that it can be asked again.

Tokens that leave an order waiting for a person, or for ever, are not drawn: a run has to come to rest.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

# Never the whole of the catalogue: an own system may sell other things.
GOOD, SOLD_OUT = "PIZZA", "SOLD-OUT"
OTHERS = ("PHONE", "PIZZA")


@dataclass(frozen=True, slots=True)
class Fate:
    """What else a customer does with an order; seconds after it was accepted, None for never."""

    looks: int = 0
    cancel_after: float | None = None
    repeat_after: float | None = None
    other_body_after: float | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """One request. `intended` is when it is to be sent, in seconds since the orders began."""

    intended: float
    kind: Literal["place", "repeat", "get", "cancel"]
    key: str | None = None
    body: Mapping[str, Any] | None = None
    order_id: str | None = None
    fate: Fate = field(default_factory=Fate)
    # How often the same was asked before without learning what came of it.
    attempt: int = 0
    # The body is another than the key's first: it must be refused.
    is_other: bool = False

    @property
    def is_order(self) -> bool:
        return self.kind in {"place", "repeat"}

    def later(self, seconds: float, **changed: Any) -> "Errand":
        """The same, so much later than it was meant for."""
        return replace(self, intended=self.intended + seconds, **changed)


@dataclass(frozen=True, slots=True)
class Mix:
    """How often what is asked for, in shares of a hundred."""

    # (weight, payment token, items)
    orders: tuple[tuple[int, str, tuple[tuple[str, int], ...]], ...] = (
        (54, "tok_ok", ((GOOD, 1),)),
        (12, "tok_ok", ((GOOD, 2), ("PHONE", 1))),
        (10, "tok_declined", ((GOOD, 1),)),
        (10, "tok_ok", ((SOLD_OUT, 1),)),
        (3, "tok_ok", ((GOOD, 1), (SOLD_OUT, 1))),
        (4, "tok_slow", ((GOOD, 1),)),
        (2, "tok_timeout_charged", ((GOOD, 1),)),
        (2, "tok_timeout_not_charged", ((GOOD, 1),)),
        (3, "tok_error_then_ok", ((GOOD, 1),)),
    )
    repeated_at_once: int = 5
    repeated_later: int = 8
    other_body: int = 4
    cancelled: int = 6
    looked_at: int = 40


def plan(seed: int, orders: int, rate: float, mix: Mix | None = None, *, run: str = "") -> list[Errand]:
    """So many orders at so many a second, each at its own time: late customers are late, not fewer.

    `run` makes the keys of this run its own: the same seed may be played again on the same system.
    """
    mix = mix or Mix()
    chance = Random(f"orders/{seed}")  # noqa: S311 - to be repeated, not to be secret
    return [each for number in range(orders) for each in _one(chance, number / rate, mix, run)]


def _one(chance: Random, at: float, mix: Mix, run: str) -> Iterator[Errand]:
    (_, token, items), *_ = chance.choices(mix.orders, [weight for weight, *_ in mix.orders])
    body = {"items": [{"sku": sku, "quantity": n} for sku, n in items], "payment_token": token}
    key = run + str(uuid.UUID(int=chance.getrandbits(128), version=4))
    place = Errand(at, "place", key, body, fate=_fate(chance, mix))
    yield place
    if _happens(chance, mix.repeated_at_once):
        yield replace(place, kind="repeat", fate=Fate())


def _fate(chance: Random, mix: Mix) -> Fate:
    looks = chance.randint(3, 6) if _happens(chance, mix.looked_at) else 0
    return Fate(
        looks=looks,
        cancel_after=chance.uniform(0, 0.5) if _happens(chance, mix.cancelled) else None,
        repeat_after=chance.uniform(0.2, 8) if _happens(chance, mix.repeated_later) else None,
        other_body_after=chance.uniform(0.2, 8) if _happens(chance, mix.other_body) else None,
    )


def _happens(chance: Random, percent: int) -> bool:
    return chance.uniform(0, 100) < percent


def another_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """What nobody asked for under this key: one more of the first dish."""
    first, *rest = body["items"]
    return {**body, "items": [{**first, "quantity": first["quantity"] + 1}, *rest]}
