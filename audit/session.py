"""The one session of the auditor's database that may write: it holds the lock, and writes itself.

Were the lock in a session beside the one that writes, it could be lost unseen, and two auditors would count
everything twice. So whoever loses the lock loses his transaction with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from audit import sql
from runtime.errors import NeverlostError


class AnotherAuditor(NeverlostError):  # noqa: N818 - it says what happened
    """Another process holds the lock."""


class Session:
    """Takes the lock when it is first needed, and again after anything went wrong."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction. Raises AnotherAuditor where it may not write; ends the session when it fails."""
        try:
            connection = self._connection = self._connection or self._take()
            with connection.begin():
                yield connection
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the session, and with it the lock: a pool would keep both."""
        if self._connection:
            self._connection.invalidate()
            self._connection.close()
        self._connection = None

    def _take(self) -> Connection:
        connection = self._engine.connect()
        try:
            with connection.begin():
                has_it = connection.execute(sql.ONLY_ONE).scalar_one()
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        if not has_it:
            connection.close()
            raise AnotherAuditor("another auditor is at work; this one waits for it to end")
        return connection
