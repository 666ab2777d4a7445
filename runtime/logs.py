"""Structured logs on stderr: one object a line, as JSON, or for the eye (LOG_FORMAT=json, console or auto).

A good line is one fact. `event` says it in plain words, the same words each time; what differs stands in
fields, ids as text. A line that speaks of one order has its `order_id` (`saga_id` where it speaks of the
saga, which has the same id), the `event_id` of the message that is handled and the `trace_id` of the request
that all of it comes from: whoever has one of them finds the rest. `speaking_of` adds the last two, so that a
handler need not know them. A line about many has their number, and at most a list of ids.

`error` is for what a person has to look at, `warning` for what is tried again, `info` for what has become of
an order. No line has a secret, payment data, or what a customer chose as a key: errors are told by
runtime/redaction.py.
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

import structlog
from structlog.types import EventDict, Processor

from runtime import redaction
from runtime.environment import Environment

# From an order's id to the ids that belong to it for now.
Ids = Callable[[str], Mapping[str, str]]

_SPEAKING_OF: ContextVar[Ids | None] = ContextVar("speaking_of", default=None)


class Style(StrEnum):
    """How lines look. AUTO: for the eye where somebody sits at a terminal, else JSON."""

    JSON = "json"
    CONSOLE = "console"
    AUTO = "auto"


def configure(process: str, level: int = logging.INFO) -> None:
    """Send structlog, the libraries' own logging, and what ends the process, through one format of lines."""
    shared = _processors(process)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer()],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("kafka").setLevel(logging.WARNING)
    # It tells at each start that the machine was busy for a tenth of a second.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)
    _tell_what_ends_us()


@contextmanager
def speaking_of(ids: Ids) -> Iterator[None]:
    """Lines inside that have an `order_id` or a `saga_id` get what `ids` knows of it."""
    token = _SPEAKING_OF.set(ids)
    try:
        yield
    finally:
        _SPEAKING_OF.reset(token)


def _processors(process: str) -> list[Processor]:
    def named(_logger: object, _name: str, event: EventDict) -> EventDict:
        """Not by a context: libraries log from threads of their own, which have none of ours."""
        return {"process": process, **event}

    return [
        named,
        _with_ids,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(redaction.render),
    ]


def _with_ids(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Before the request's own: who commits for others speaks of theirs too."""
    ids = _SPEAKING_OF.get()
    order_id = event.get("order_id") or event.get("saga_id")
    return {**ids(order_id), **event} if ids and order_id else event


def _renderer() -> Processor:
    environment = Environment()
    style = environment.parsed("LOG_FORMAT", Style, Style.AUTO, "json, console or auto")
    environment.check()
    if style is Style.CONSOLE or (style is Style.AUTO and sys.stderr.isatty()):
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer()


def _tell_what_ends_us() -> None:
    """What nobody catches would be printed as it is, values and all."""
    log = structlog.get_logger(__name__)

    def ends(kind: type[BaseException], error: BaseException, trace: redaction.Frames) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("the process ends", exc_info=(kind, error, trace))

    def thread_ends(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_type is not SystemExit:  # it wished to, as Python has it
            log.critical("a thread ends", thread=ended.thread and ended.thread.name, exc_info=ended.exc_value)

    sys.excepthook = ends
    if threading.excepthook is threading.__excepthook__:  # a test's own is left to it
        threading.excepthook = thread_ends
