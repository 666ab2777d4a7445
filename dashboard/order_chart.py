"""An order's way as bars on one axis of time: places as shares of the width, in percent. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from audit.trace import Event
from dashboard.ages import age, offset
from dashboard.way import Way
from order.status import FINAL

NARROWEST = 0.6
TICKS = 5
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar; `kind` gives it its colour, one that is open goes on."""

    kind: str
    x: float
    width: float
    told: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: when it began, what it is, whose, its bar, and how it ended."""

    began: datetime
    begins: str
    kind: str
    what: str
    whose: str
    told: tuple[str, ...]
    segments: tuple[Segment, ...]
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Axis:
    zero: datetime
    seconds: float
    now: datetime

    def segment(self, kind: str, begin: datetime, end: datetime | None, what: str) -> Segment:
        last = end or self.now
        took = age((last - begin).total_seconds())
        x = min(self._share(begin), 100.0 - NARROWEST)
        width = max(NARROWEST, min(100.0, self._share(last)) - x)
        told = f"{what}: {took}" if end else f"{what}: not yet, for {took}"
        return Segment(kind if end else f"{kind} open", round(x, 2), round(width, 2), told)

    def _share(self, moment: datetime) -> float:
        return max(0.0, 100.0 * (moment - self.zero).total_seconds() / self.seconds)

    def row(
        self, began: datetime, kind: str, what: str, whose: str, *segments: Segment, link: str | None = None
    ) -> Row:
        begins = offset(max(0.0, (began - self.zero).total_seconds()))
        return Row(began, begins, kind, what, whose, tuple(s.told for s in segments), segments, link)


def draw(way: Way) -> Chart:
    """All that has a beginning and an end, in the order of time."""
    began = [way.order.created_at] if way.order else []
    began += [event.written_at for event in way.events] + [each.created_at for each in way.intents]
    zero = min(began, default=way.now)
    axis = _Axis(zero, _seconds(way, zero), way.now)
    rows = [*_order(way, axis), *_events(way, axis), *_intents(way, axis), *_letters(way, axis)]
    ticks = tuple(Tick(round(100 * at / axis.seconds, 2), _tick(at)) for at in _places(axis.seconds))
    return Chart(ticks, tuple(sorted(rows, key=lambda row: row.began)), axis.seconds)


def _seconds(way: Way, zero: datetime) -> float:
    """Until the last thing ended, or until now where something is open."""
    ends: list[datetime | None] = []
    if way.order:
        ends.append(way.order.updated_at if way.order.status in FINAL else None)
    for event in way.events:
        ends += [each.at for each in event.seen if each.is_known] or [event.appended_at or event.written_at]
    ends += [intent.settled_at for intent in way.intents]
    ends += [letter.settled_at for letter in way.letters]
    last = max((end or way.now for end in ends), default=way.now)
    return max(0.1, (last - zero).total_seconds())


def _order(way: Way, axis: _Axis) -> Iterator[Row]:
    if order := way.order:
        end = order.updated_at if order.status in FINAL else None
        whole = axis.segment("order", order.created_at, end, f"to {order.status}" if end else order.status)
        yield axis.row(order.created_at, "order", "the order", "order", whole)


def _events(way: Way, axis: _Axis) -> Iterator[Row]:
    for event in way.events:
        whose = f"{event.writer} → {' and '.join(seen.reader for seen in event.seen) or 'everybody'}"
        segments = tuple(_segments(event, axis))
        yield axis.row(event.written_at, "event", event.type, whose, *segments, link=str(event.id))


def _segments(event: Event, axis: _Axis) -> Iterator[Segment]:
    """To the topic, and from there to each reader; in one, where the place in the topic is not known."""
    appended, written = event.appended_at, event.written_at
    if appended is not None:
        yield axis.segment("relay", written, max(appended, written), "to its topic")
    elif not event.seen:
        yield axis.segment("relay", written, None, "to its topic")
    for seen in event.seen:
        if seen.is_known:
            began = min(appended or written, seen.at or axis.now)
            yield axis.segment("consumer", began, seen.at, f"to {seen.reader}")


def _intents(way: Way, axis: _Axis) -> Iterator[Row]:
    for each in way.intents:
        tries = f"{each.attempts} attempt{'s' if each.attempts != 1 else ''}"
        again = f", try {each.epoch}" if each.epoch > 1 else ""
        segment = axis.segment("work", each.created_at, each.settled_at, f"{each.state.lower()}, {tries}")
        what = f"{each.operation} at the gateway{again}"
        yield axis.row(each.created_at, "work", what, "payment", segment)


def _letters(way: Way, axis: _Axis) -> Iterator[Row]:
    for each in way.letters:
        told = each.outcome or each.state
        segment = axis.segment("held", each.parked_at, each.settled_at, told)
        yield axis.row(each.parked_at, "held", f"parked: {each.type or 'no type'}", each.service, segment)


def _places(seconds: float) -> list[float]:
    power = 10.0**-3
    while power * 10 * TICKS < seconds:
        power *= 10
    step = next(each * power for each in _STEPS if each * power * TICKS >= seconds)
    return [number * step for number in range(TICKS + 1) if number * step <= seconds * 0.97]


def _tick(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g} ms" if seconds else "0"
    return f"{seconds:g} s" if seconds < 120 else age(seconds)
