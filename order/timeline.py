"""One order's way, line by line, as its saga has logged it: for the customer's support and for operators."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from runtime import trace
from saga.state import Why
from web.times import as_text

# What people wrote, and what a participant failed with, is for people who may act.
_NOT_PUBLIC = ("retry", "compensate", "resolve", "parked", "failed")


def timeline(saga: Row[Any], log: Sequence[Row[Any]]) -> dict[str, Any]:
    """The saga and everything that happened to it, oldest first."""
    return {**view(saga), "entries": [_entry(line) for line in log]}


def public_timeline(saga: Row[Any], log: Sequence[Row[Any]]) -> dict[str, Any]:
    """The same without the names and notes of those who stepped in."""
    whole = timeline(saga, log)
    if whole["cause"] and whole["cause"]["why"] == Why.OPERATOR:
        whole["cause"]["detail"] = None
    for entry in whole["entries"]:
        if entry["kind"] in _NOT_PUBLIC:
            entry.pop("actor", None)
            entry.pop("note", None)
    return whole


def view(saga: Row[Any]) -> dict[str, Any]:
    """A saga as people see it."""
    why, step, detail = saga.cause or (None, None, None)
    return {
        "order_id": str(saga.id),
        "trace_id": trace.trace_id(saga.traceparent),
        "saga": {"definition": saga.definition, "version": saga.version, "state": saga.status},
        "awaits": saga.awaits,
        "cause": {"why": why, "step": step, "detail": detail} if why else None,
        "due_at": as_text(saga.due_at) if saga.due_at else None,
        "waiting_seconds": round(saga.waiting_seconds, 1),
        "created_at": as_text(saga.created_at),
        "updated_at": as_text(saga.updated_at),
    }


def _entry(line: Row[Any]) -> dict[str, Any]:
    """What is said of an entry; what does not apply to it is left out."""
    told = {
        "at": as_text(line.at),
        "kind": line.kind,
        "state": line.status,
        "step": line.step,
        "operation": line.operation,
        "attempt": line.epoch,
        "type": line.message_type,
        "event_id": str(line.event_id) if line.event_id else None,
        "actor": line.actor,
        "note": line.note,
    }
    return {name: value for name, value in told.items() if value is not None}
