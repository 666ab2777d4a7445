"""What was asked of the system and what it said, as JSON lines: all that the checker knows of a run.

An operation has a line when it begins ("invoke") and one when it ends: "ok" when the system promised
something, "fail" when it surely did nothing, "unknown" when nobody can tell (a time-out, a reset, a 5xx).
An operation without an end is unknown too. A fault is an operation of the process "nemesis".
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

Kind = Literal["place", "repeat", "get", "cancel", "webhook", "fault"]
Outcome = Literal["ok", "fail", "unknown"]
Type = Literal["invoke", "ok", "fail", "unknown"]
NEMESIS = "nemesis"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `at` is in seconds since the run began, by a clock that never goes back; `wall` is Unix time.

    `key` is the Idempotency-Key. `intended` is when an open loop meant to send it, in the same seconds
    as `at`: a late client must not make a slow system look fast.
    """

    number: int
    at: float
    wall: float
    process: str
    kind: Kind
    type: Type
    key: str | None = None
    intended: float | None = None
    status: int | None = None
    value: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation with its end, if it had one."""

    begin: Entry
    end: Entry | None

    @property
    def outcome(self) -> Outcome:
        return "unknown" if self.end is None or self.end.type == "invoke" else self.end.type


class History:
    """Appends entries to a file, from any thread; a line is written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._numbers = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def begin(self, process: str, kind: Kind, **known: Any) -> Entry:
        """Note that something is about to be asked; give the answer to `end`."""
        with self._lock:
            self._numbers += 1
            return self._write(self._numbers, process, kind, "invoke", known)

    def end(self, begun: Entry, outcome: Outcome, **known: Any) -> Entry:
        with self._lock:
            return self._write(begun.number, begun.process, begun.kind, outcome, {"key": begun.key, **known})

    def _write(self, number: int, process: str, kind: Kind, type_: Type, known: Mapping[str, Any]) -> Entry:
        entry = Entry(number, self.now(), time.time(), process, kind, type_, **known)
        given = {name: value for name, value in asdict(entry).items() if value not in (None, {})}
        self._file.write(json.dumps(given, default=str) + "\n")
        return entry


def read(path: Path) -> Iterator[Entry]:
    """The entries of a file, in the order in which they were written."""
    with path.open() as file:
        for line in file:
            yield Entry(**json.loads(line))


def operations(entries: Iterable[Entry]) -> list[Operation]:
    """Every operation that was begun, in that order."""
    begun: dict[int, Entry] = {}
    ended: dict[int, Entry] = {}
    for entry in entries:
        (begun if entry.type == "invoke" else ended)[entry.number] = entry
    return [Operation(entry, ended.get(number)) for number, entry in begun.items()]
