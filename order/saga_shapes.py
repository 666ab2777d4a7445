"""The answers about orders' sagas, for the OpenAPI document and for tests."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from saga.definition import Operation
from saga.state import SagaStatus, Why
from web.shapes import Cursor, Shape


class SagaPlace(Shape):
    definition: str
    version: int
    state: SagaStatus


class SagaCause(Shape):
    """Why a saga turned round."""

    why: Why
    step: str | None
    detail: str | None


class Saga(Shape):
    """An order's saga as it is now."""

    order_id: UUID
    trace_id: Annotated[str | None, Field(description="Of the request that placed it (W3C Trace Context).")]
    saga: SagaPlace
    awaits: Annotated[list[str], Field(description="What it waits for, such as `charge` or `undo charge`.")]
    cause: SagaCause | None
    due_at: Annotated[AwareDatetime | None, Field(description="The next deadline, or time of a new try.")]
    waiting_seconds: Annotated[float, Field(description="Since it moved last.")]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Sagas(Shape):
    """A page of sagas, oldest first."""

    sagas: list[Saga]
    next_cursor: Cursor


class TimelineEntry(Shape):
    """One thing that happened; what does not apply is left out."""

    at: AwareDatetime
    kind: Annotated[str, Field(description="begun, command, reply, event, expired, …")]
    state: SagaStatus
    step: str | None = None
    operation: Operation | None = None
    attempt: Annotated[int | None, Field(description="The epoch of the try, from 1.")] = None
    type: Annotated[str | None, Field(description="The message's type.")] = None
    event_id: UUID | None = None
    actor: str | None = None
    note: str | None = None


class Timeline(Saga):
    """A saga with everything that happened to it, oldest first."""

    entries: list[TimelineEntry]
