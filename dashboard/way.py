"""Everything that is known of one order at one moment: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from audit.trace import Event
from connect.health import ConnectorStatus
from saga.state import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    status: str
    total_amount: int
    currency: str
    created_at: datetime
    updated_at: datetime
    items: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga:
    status: str
    created_at: datetime
    updated_at: datetime
    version: int = 2
    awaits: tuple[str, ...] = ()
    cause: Cause | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One thing that happened to the order's saga."""

    at: datetime
    kind: str
    status: str
    step: str | None = None
    operation: str | None = None
    epoch: int | None = None
    message_type: str | None = None
    event_id: UUID | None = None
    actor: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    status: str
    amount: int
    currency: str
    captured: int = 0
    refunded: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A call to the gateway: `due_at` is when the next attempt may be made."""

    operation: str
    state: str
    created_at: datetime
    due_at: datetime
    epoch: int = 1
    attempts: int = 0
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    status: str
    created_at: datetime
    updated_at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A parked message of the order; it is over with when it was settled."""

    service: str
    id: int
    type: str
    state: str
    reason: str
    parked_at: datetime
    attempts: int = 1
    event_id: UUID | None = None
    settled_at: datetime | None = None
    outcome: str | None = None
    settled_by: str | None = None
    note: str | None = None

    @property
    def why(self) -> str:
        """Its reason in a line."""
        return self.reason.splitlines()[0][:200] if self.reason else "no reason is kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One order. `relays` has each service's connector, or is None where Connect does not answer."""

    order_id: UUID
    now: datetime
    order: Order | None = None
    saga: Saga | None = None
    log: tuple[LogLine, ...] = ()
    events: tuple[Event, ...] = ()
    payment: Payment | None = None
    intents: tuple[Intent, ...] = ()
    reservation: Reservation | None = None
    letters: tuple[Letter, ...] = ()
    relays: Mapping[str, ConnectorStatus] | None = None
    audited_at: datetime | None = None  # when the auditor's last round began
    away: Mapping[str, str] = field(default_factory=dict)

    @property
    def waiting_letters(self) -> tuple[Letter, ...]:
        return tuple(letter for letter in self.letters if letter.settled_at is None)

    @property
    def traces(self) -> tuple[str, ...]:
        """Of every request that took part, the order's own first: a cancellation is another."""
        return tuple(dict.fromkeys(event.trace_id for event in self.events if event.trace_id))

    def newest(self, *types: str) -> Event | None:
        """The last written event of these types."""
        found = [event for event in self.events if event.type in types]
        return found[-1] if found else None
