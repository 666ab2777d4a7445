"""What an operator does about dead letters: redrive and discard, and what either would do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from dashboard.letter_filters import Filter
from dashboard.sources import Sources
from messaging import discard, letters, redrive
from messaging.consumer import Consumer
from messaging.discard import Discarded
from messaging.redrive import Redriven
from operators.consumers import consumers
from runtime.errors import NeverlostError

KEYS_MAX = 200


class StillHeld(NeverlostError):  # noqa: N818 - it says what is the matter
    """A letter could not be handled this time either; the message tells what was, too."""


class TooMany(NeverlostError):  # noqa: N818 - it says what is wrong
    """More keys are meant than one press of a button should handle."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen at one service: the letters of each key in order, or those given up."""

    service: str
    queues: dict[str, list[Any]]
    discarded: Discarded | None = None


def preview_redrive(sources: Sources, meant: Filter) -> list[Preview]:
    """The dry run; as who only looks. Raises TooMany, before the letters of each key are looked for."""
    _check(sum(_held(sources.engines[each], each, meant) for each in meant.services))
    return [
        Preview(consumer.service, redrive.plan(sources.engines[consumer.service], consumer, meant.wanted))
        for consumer in _consumers(sources, meant)
    ]


def preview_discard(sources: Sources, meant: Filter, *, whole_key: bool) -> list[Preview]:
    order = discard.Order(meant.wanted, "", "", whole_key)
    found = [
        Preview(consumer.service, {}, discard.plan(sources.engines[consumer.service], consumer, order))
        for consumer in _consumers(sources, meant)
    ]
    _check(sum(len(each.discarded.letters) for each in found if each.discarded))
    return found


def redrive_all(sources: Sources, meant: Filter, by: str) -> str:
    """Handle them again; says what came of it. Raises TooMany, and StillHeld."""
    _check(sum(_held(sources.handlers[each], each, meant) for each in meant.services))
    held: list[str] = []

    def do(engine: Engine, consumer: Consumer) -> str:
        done = redrive.redrive(engine, consumer, meant.wanted, by=by)
        held.extend(done.still_held)
        return _told(done)

    words = _each(sources, meant, do)
    if held:
        raise StillHeld(words)
    return words


def discard_all(sources: Sources, order: discard.Order, meant: Filter) -> str:
    """Give them up; says what came of it. Raises TooMany."""
    preview_discard(sources, meant, whole_key=order.whole_key)

    def do(engine: Engine, consumer: Consumer) -> str:
        return _told_given_up(discard.discard(engine, consumer, order))

    return _each(sources, meant, do)


def _each(sources: Sources, meant: Filter, do: Callable[[Engine, Consumer], str]) -> str:
    told = [(each.service, do(sources.handlers[each.service], each)) for each in _consumers(sources, meant)]
    words = "; ".join(f"{service}: {done}" for service, done in told if done)
    return words or "nothing that waits fits this"


def _told(done: Redriven) -> str:
    if not done.handled and not done.still_held:
        return ""
    held = "".join(f"; {key} still waits: {why[:120]}" for key, why in list(done.still_held.items())[:3])
    more = f"; {len(done.still_held)} keys still wait" if len(done.still_held) > 3 else ""
    free = f"{len(done.freed)} order{'' if len(done.freed) == 1 else 's'} free again"
    return f"{done.handled} handled, {free}{held}{more}"


def _told_given_up(done: Discarded) -> str:
    if not done.letters and not done.refused:
        return ""
    refused = "".join(f"; {number} is kept: {why}" for number, why in list(done.refused.items())[:3])
    behind = f"; {sum(done.left.values())} wait on behind them" if done.left else ""
    return f"{len(done.letters)} given up{refused}{behind}"


def _consumers(sources: Sources, meant: Filter) -> Iterator[Consumer]:
    return (c for c in consumers(sources.settings.patience) if c.service in meant.services)


def _held(engine: Engine, service: str, meant: Filter) -> int:
    """How many keys would be redriven."""
    with engine.connect() as connection:
        return len(letters.held_keys(connection, service, meant.wanted))


def _check(count: int) -> None:
    if count > KEYS_MAX:
        raise TooMany(f"This means {count} of them; narrow it down to {KEYS_MAX}.")
