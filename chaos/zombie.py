"""Freezes a consumer at the worst moment: with a database transaction open that has written something.

It is stopped, looked at from the database, and let go again at once where it was between transactions; so
what stays stopped is known to hold locks, and not merely likely to.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import SQLAlchemyError

from chaos.faults import Blow, Effect, Ground, Paused
from chaos.sessions import autocommit
from chaos.targets import NothingToHit, Target

ADMIN_DATABASE = "admin database"
BETWEEN_TRIES_SECONDS = 0.007
# The server ends the statement that was under way when its client froze, and then only waits.
SETTLE_SECONDS = 0.03

# Sessions are known by the client's port: a name could be another process's too.
_OPEN = text("""
    SELECT pid, xact_start FROM pg_stat_activity
    WHERE client_port = ANY(:ports) AND state = 'idle in transaction' AND backend_xid IS NOT NULL
""")
_STILL_OPEN = text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid AND xact_start = :xact_start")


@dataclass(frozen=True, slots=True)
class Zombie:
    """SIGSTOP with an open transaction, SIGCONT when it is healed."""

    catch_seconds: float = 20.0
    name: str = "pause in a transaction"

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow:
        url = ground.tools.get(ADMIN_DATABASE)
        if url is None:
            raise NothingToHit("no database account may see other sessions")
        blow = Frozen(url, Paused(ground.guard))
        try:
            for target in targets:
                if process := target.find():
                    blow.catch(target.name, process, self.catch_seconds)
        except BaseException:
            blow.heal(0)
            raise
        return blow


@dataclass(slots=True)
class Frozen(Blow):
    """Consumers that hold a transaction open, and what the database said of it."""

    admin: URL
    paused: Paused
    transactions: dict[str, Any] = field(default_factory=dict)

    def catch(self, name: str, process: psutil.Process, within_seconds: float) -> None:
        """Raises NothingToHit when it was never caught inside a transaction."""
        deadline = time.monotonic() + within_seconds
        pause = threading.Event()
        with autocommit(self.admin) as connection:
            while time.monotonic() < deadline:
                self.paused.stop(name, process)
                pause.wait(SETTLE_SECONDS)
                if found := _open_transaction(connection, process):
                    self.transactions[name] = found
                    return
                self.paused.heal(0)
                pause.wait(BETWEEN_TRIES_SECONDS)
        raise NothingToHit(f"{name} was never caught inside a transaction")

    def look(self) -> None:
        self.paused.look()

    def heal(self, within_seconds: float) -> Effect:
        """Whether its transaction was still open when it woke says which way it was put off."""
        still_open = self._still_open()
        seen = self.paused.heal(within_seconds)
        if not seen or not self.transactions:
            return {}
        return {**seen, "open_transactions": sorted(self.transactions), "open_when_it_woke": still_open}

    def _still_open(self) -> list[str] | None:
        try:
            with autocommit(self.admin) as connection:
                return [n for n, each in self.transactions.items() if _is_open(connection, each)]
        except SQLAlchemyError:  # Nobody can tell; it must go on all the same.
            return None


def _open_transaction(connection: Connection, process: psutil.Process) -> dict[str, Any] | None:
    ports = [each.laddr.port for each in process.net_connections("tcp")]
    row = connection.execute(_OPEN, {"ports": ports}).first()
    return {"pid": row.pid, "xact_start": row.xact_start} if row else None


def _is_open(connection: Connection, transaction: dict[str, Any]) -> bool:
    return connection.execute(_STILL_OPEN, transaction).first() is not None
