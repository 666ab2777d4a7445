"""When a connector is to be restarted: a decision from what was seen and when, without any I/O."""

from dataclasses import dataclass, field

from connect.health import Verdict
from runtime.waiting import Backoff

# So many restarts without a lasting effect, and a person is called for, with every further one.
HOPELESS_AFTER = 8
# A connector that ran this long has recovered: its next failure is a new one.
RECOVERED_SECONDS = 60
_CURED_BY_RESTART = frozenset({Verdict.FAILED, Verdict.WEDGED})
PAUSES = Backoff(attempts=HOPELESS_AFTER, first_seconds=1, most_seconds=60)


@dataclass(slots=True)
class _Record:
    attempts: int = 0
    not_before: float = 0.0
    healthy_since: float | None = None


@dataclass(slots=True)
class Restarts:
    """What has been tried for each connector, and when the next try is due."""

    _records: dict[str, _Record] = field(default_factory=dict)

    def due(self, connector: str, verdict: Verdict, now: float) -> bool:
        """Whether to restart it now. To be told of every look at it, good or bad."""
        record = self._records.setdefault(connector, _Record())
        if verdict is not Verdict.HEALTHY:
            record.healthy_since = None
            return verdict in _CURED_BY_RESTART and now >= record.not_before
        if record.healthy_since is None:
            record.healthy_since = now
        if now - record.healthy_since >= RECOVERED_SECONDS:
            record.attempts = 0
        return False

    def note(self, connector: str, now: float) -> tuple[int, bool]:
        """Count a restart; answers with its number, and whether restarts alone seem hopeless."""
        record = self._records.setdefault(connector, _Record())
        record.not_before = now + PAUSES.pause(record.attempts)
        record.attempts += 1
        return record.attempts, record.attempts > HOPELESS_AFTER
