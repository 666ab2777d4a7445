"""What a route promises, declared once beside its view; the OpenAPI document is made of it.

A trait is what a shared piece brings along: each such piece declares its own, so a route that is guarded by
it documents it by naming it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE = "operation"


@dataclass(frozen=True, slots=True)
class Header:
    """A header of a request, or of the answers with the statuses in `on` (all that succeed, if none)."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    on: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Trait:
    """What a shared piece adds to an operation: problems by status, and headers."""

    problems: Mapping[int, str] = field(default_factory=dict)
    asks: tuple[Header, ...] = ()
    answers: tuple[Header, ...] = ()
    operator: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One route's promise. `answers` has a model for each status that is not a problem, of `media_type`."""

    summary: str
    answers: Mapping[int, type[BaseModel]]
    description: str = ""
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    path: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[int, str] = field(default_factory=dict)
    headers: tuple[Header, ...] = ()
    traits: tuple[Trait, ...] = ()
    database: bool = True
    media_type: str = "application/json"


RETRY_AFTER = Header("Retry-After", "Seconds to wait before the next try.", {"type": "integer", "minimum": 1})
LOCATION = Header("Location", "Where it is found.", {"type": "string", "format": "uri-reference"})


def promises(operation: Operation) -> Callable[[View], View]:
    """Declare what a view promises. Stands between the route and whatever guards the view."""

    def declare(view: View) -> View:
        setattr(view, _ATTRIBUTE, operation)
        return view

    return declare


def promise_of(view: Callable[..., Any]) -> Operation | None:
    found: Operation | None = getattr(view, _ATTRIBUTE, None)
    return found
