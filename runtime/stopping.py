"""SIGTERM and SIGINT, as an event that a loop can wait on."""

import signal
import threading
from types import FrameType


def stop_requested() -> threading.Event:
    """An event that is set when the process is asked to stop. Call it once, in the main thread."""
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop
