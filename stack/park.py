"""Makes some orders' reservations fail for a while, then mends the cause and redrives what was parked."""

import threading
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, text

from chaos.sessions import autocommit
from inventory import handlers as inventory
from messaging.letters import Wanted
from messaging.redrive import redrive
from runtime.database import connect_engine

# A broken constraint is the message's own fault to a consumer, so it parks the message and holds its key. An
# eighth of all orders end in these digits. Not valid: rows from before are not looked at.
_REFUSE = text("""
    ALTER TABLE reservations ADD CONSTRAINT refused_for_a_while
    CHECK (right(order_id::text, 1) NOT IN ('3', '7')) NOT VALID
""")
_MEND = text("ALTER TABLE reservations DROP CONSTRAINT IF EXISTS refused_for_a_while")
_PARKED = text("""
    SELECT DISTINCT key FROM dead_letters WHERE state = 'culprit' AND reason LIKE '%refused_for_a_while%'
    AND settled_at IS NULL
""")
# A batch that began before the cause was mended may still park its message.
SETTLE_SECONDS = 2.0


@dataclass(slots=True)
class Operator:
    """Someone with the superuser's rights, to break and mend, and the service's own, to redrive."""

    admin: URL = field(repr=False)
    app: URL = field(repr=False)

    def park(self) -> None:
        with autocommit(self.admin) as connection:
            connection.execute(_REFUSE)

    def redrive(self, _parked: Any, within_seconds: float) -> dict[str, Any]:
        """The keys that were parked, and those that are free again. Safe to repeat."""
        with autocommit(self.admin) as connection:
            connection.execute(_MEND)
            threading.Event().wait(min(SETTLE_SECONDS, within_seconds))
            keys = list(connection.scalars(_PARKED))
        engine = connect_engine(self.app, process="operator", connections=1)
        try:
            results = [redrive(engine, inventory.consumer(), Wanted(key=key), by="chaos") for key in keys]
        finally:
            engine.dispose()
        freed = [key for result in results for key in result.freed]
        handled = sum(result.handled for result in results)
        return {"parked": keys, "freed": freed, "letters_handled": handled} if keys else {}
