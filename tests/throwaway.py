"""A stack that nobody needs afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from rich.console import Console

from stack import launch, progress
from stack.launch import Wish
from stack.record import StackRecord

# The leashes end the nodes, and what those have started sees that it is alone.
GONE_SECONDS_MAX = 15


@contextmanager
def thrown_away(wish: Wish) -> Iterator[StackRecord]:
    """A ready stack that is killed in the end, which is quicker than to stop it in order."""
    console = Console()
    parent = launch.start(wish, console, detached=False)
    processes: list[psutil.Process] = []
    try:
        yield progress.follow(wish.state, lambda: parent.poll() is None, console)
        processes = psutil.Process(parent.pid).children(recursive=True)
    finally:
        if processes:
            parent.kill()
            psutil.wait_procs(processes, GONE_SECONDS_MAX)
        launch.end(parent)
