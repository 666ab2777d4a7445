"""What changes, told in its place on a terminal; where there is none, only what it comes to is told."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

EVERY_SECONDS = 0.1


@contextmanager
def in_place(console: Console, tell: Callable[[], Sequence[str]]) -> Iterator[Callable[[], None]]:
    """A call that shows what `tell` says now, ten times a second at most; the lines are gone at the end."""
    if not console.is_terminal:
        yield lambda: None
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield seldom(lambda: live.update(Text("\n".join(tell()), no_wrap=True), refresh=True), EVERY_SECONDS)


def seldom(action: Callable[[], None], seconds: float) -> Callable[[], None]:
    """The action, but not again before so many seconds have passed since it began."""
    due = 0.0

    def act() -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + seconds
            action()

    return act
