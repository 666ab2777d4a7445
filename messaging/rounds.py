"""How a batch is dealt out: pure decisions, from lists to lists."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from messaging.envelope import Delivery


class Keyed(Protocol):
    """A message, or something that has its key."""

    @property
    def key(self) -> str: ...


Each = TypeVar("Each", bound=Keyed)


def rounds(messages: Iterable[Each]) -> list[list[Each]]:
    """Lists with at most one message per key; each key's messages keep their order over the lists.

    A handler may then work on a whole list at once: no two of its messages concern one order.
    """
    dealt: list[list[Each]] = []
    seen: dict[str, int] = {}
    for message in messages:
        key = message.key
        turn = seen.get(key, 0)
        seen[key] = turn + 1
        if turn == len(dealt):
            dealt.append([])
        dealt[turn].append(message)
    return dealt


def split_held(deliveries: Iterable[Delivery], held: set[str]) -> tuple[list[Delivery], list[Delivery]]:
    """(those that may go on, those that must queue because their key is held)."""
    free: list[Delivery] = []
    queued: list[Delivery] = []
    for delivery in deliveries:
        (queued if delivery.key in held and not delivery.passes_hold else free).append(delivery)
    return free, queued


def halves(deliveries: Sequence[Delivery]) -> tuple[Sequence[Delivery], Sequence[Delivery]]:
    """The first and the second half, in order; both shorter than the whole when it has two or more."""
    middle = len(deliveries) // 2
    return deliveries[:middle], deliveries[middle:]
