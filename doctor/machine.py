"""The machine: room on its disks, and whether its clock is that of the database and of the brokers."""

from collections.abc import Iterator

from connect.doctor import Finding, Severity
from doctor.facts import Facts, Server, Silence, Wanted

# Half of what tells a heartbeat that is late from one that is not; far less than any deadline.
CLOCK_SECONDS_MAX = 1.0
_WHY_CLOCK = "deadlines, days of the outbox and what topics keep go by clocks that are taken for one"


def examine(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """What is wrong with disks and clocks."""
    yield from _disks(facts, wanted)
    if isinstance(facts.server, Server):
        yield from _clock("postgres", facts.server.clock_ahead)
    if not isinstance(facts.clocks, Silence):
        for number, ahead in sorted(facts.clocks.items()):
            yield from _clock(f"broker {number}", ahead)


def _disks(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    keep_mb = facts.server.slot_keep_mb if isinstance(facts.server, Server) else 0
    for folder, free in facts.machine.free_mb.items():
        if free < wanted.free_mb_min:
            why = "a database or a broker that cannot write stops, and comes back when there is room"
            told = f"only {free} MB are free at {folder}"
            yield Finding(Severity.ALARM, "disk", told, why, f"df -h {folder}")
        elif free < keep_mb:
            why = "a relay that stays away may hold back more WAL than there is room for"
            told = f"{free} MB are free at {folder}, and slots may hold back {keep_mb} MB of WAL"
            yield Finding(Severity.WARNING, "disk", told, why, "./run down; ./run up")


def _clock(whose: str, ahead: float) -> Iterator[Finding]:
    if abs(ahead) > CLOCK_SECONDS_MAX:
        told = f"its clock is {abs(ahead):.1f} s {'before' if ahead > 0 else 'behind'} this machine's"
        yield Finding(Severity.WARNING, whose, told, _WHY_CLOCK, "timedatectl status")
