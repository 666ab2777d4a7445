"""What a process tells of itself, in the text that Prometheus reads: `/metrics`.

Each room declares its own figures, in its `metrics.py`; all of them are in the library's one registry, with
the memory, the CPU and the open files of the process. No label holds an id, or anything else that a caller
chose.
"""

from prometheus_client import CONTENT_TYPE_LATEST, disable_created_metrics, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

# When each series was begun is another series each, and nobody's question.
disable_created_metrics()  # type: ignore[no-untyped-call]


def exposition() -> bytes:
    """Every figure as it is now."""
    return generate_latest()
