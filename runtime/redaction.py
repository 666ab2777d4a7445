"""What may be said of an error: what it is and where, and no value that it happened to.

A database quotes the row that it refused, and Python the text that is no number: a payment token may be in
there. So those speak with their kind alone; errors of our own are written to be read.
"""

import traceback
from collections.abc import Callable, Iterator
from types import TracebackType

import psycopg
from pydantic import ValidationError
from sqlalchemy.exc import StatementError

CHARACTERS_MAX = 2000
CHAIN_MAX = 10
FIELDS_MAX = 5

Frames = TracebackType | None
Raised = tuple[type[BaseException], BaseException, Frames]


def explain(error: BaseException) -> str:
    """The error in a few words, for logs, for dead letters and for people."""
    while isinstance(error, StatementError) and error.orig is not None:
        error = error.orig
    said = next(say(error) for kind, say in _SAYINGS if isinstance(error, kind))[:CHARACTERS_MAX]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def fields(error: ValidationError) -> str:
    """Which fields are wrong and why; never the values."""
    told = [
        f"{'.'.join(map(str, e['loc'])) or 'payload'}: {e['msg']}"
        for e in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return "; ".join(told[:FIELDS_MAX])


def render(exc_info: Raised) -> str:
    """A traceback as Python prints it, with every error explained, and those that led to it before it."""
    parts = []
    for error, link in reversed(list(_chain(exc_info[1]))):
        frames = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{explain(error)}{link}")
    return "".join(parts)


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """The error and what led to it, each with the words that lead on to the one before."""
    found: BaseException | None = error
    link = ""
    for _ in range(CHAIN_MAX):
        if found is None:
            return
        yield found, link
        link = "\n\nThe above led to:\n\n"
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _primary(error: psycopg.Error) -> str:
    """What the server says first: the rule that was broken. Its detail and context quote the row."""
    return error.diag.message_primary or str(error)


# The first that fits. What a value is too long, too large or no number for, is told with the value.
_SAYINGS: tuple[tuple[type[BaseException], Callable[..., str]], ...] = (
    (ValidationError, fields),
    (psycopg.DataError, lambda _error: "a value does not fit"),
    (psycopg.Error, _primary),
    (ValueError, lambda _error: ""),
    (LookupError, lambda _error: ""),
    (BaseException, str),
)
