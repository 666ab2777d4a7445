"""Lengths of time and moments, as people read them. Pure."""

from datetime import UTC, datetime

_UNITS = ((86_400 * 2, 86_400, "days"), (3600 * 2, 3600, "h"), (120, 60, "min"))


def age(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min`, `5 h`, `2 days`."""
    seconds = max(0.0, seconds)
    for least, unit, name in _UNITS:
        if seconds >= least:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def since(moment: datetime, now: datetime) -> str:
    return age((now - moment).total_seconds())


def clock(moment: datetime) -> str:
    """The time of day in UTC, to the millisecond."""
    return f"{moment.astimezone(UTC):%H:%M:%S}.{moment.microsecond // 1000:03}"


def stamp(moment: datetime) -> str:
    """Day and time in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def offset(seconds: float) -> str:
    """How long after the beginning."""
    return f"+{seconds:.3f} s" if seconds < 60 else f"+{age(seconds)}"
