"""Times as the outside sees them."""

from datetime import UTC, datetime


def as_text(moment: datetime) -> str:
    """RFC 3339 in UTC, ending in Z; the moment must know its zone."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
