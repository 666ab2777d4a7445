"""Structured logs: one JSON object a line, on stderr, with the ids that lead from line to line."""

import logging
import sys

import structlog


def configure(process: str, level: int = logging.INFO) -> None:
    """Send structlog and the libraries' own logging through one JSON line format."""

    def named(_logger: object, _name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        """Not by a context: libraries log from threads of their own, which have none of ours."""
        return {"process": process, **event}

    shared: list[structlog.types.Processor] = [
        named,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
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
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("kafka").setLevel(logging.WARNING)
    # It tells at each start that the machine was busy for a tenth of a second.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)
