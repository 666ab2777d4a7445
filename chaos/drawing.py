"""Lines over time as SVG: numbers in, points and ticks out, for the report's template. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.measures import Series, Struck

WIDTH, HEIGHT = 900, 180
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 14, 30
_STEPS = (1, 2, 5, 10)
# A scale has a line at its half, too.
_TOPS = (1, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Line:
    """One series, drawn: its points for a polyline, and what it reached."""

    name: str
    points: str
    most: float


@dataclass(frozen=True, slots=True)
class Tick:
    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A fault, as a bar across the whole picture."""

    x: float
    width: float
    title: str
    effective: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: lines over the faults' bars. `told` says in words what is seen."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    bars: tuple[Bar, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    told: str


def draw(
    title: str, unit: str, series: Mapping[str, Series], faults: Sequence[Struck], seconds: float
) -> Picture:
    """A picture of some series over the same time, all on one scale."""
    seconds = max([seconds, 1.0, *(x for line in series.values() for x, _ in line)])
    most = max([y for line in series.values() for _, y in line] or [0.0])
    top = _rounded_up(most, _TOPS)
    return Picture(
        title=title,
        unit=unit,
        lines=tuple(
            Line(name, " ".join(f"{_x(x, seconds):.1f},{_y(y, top):.1f}" for x, y in line), _most(line))
            for name, line in series.items()
        ),
        bars=tuple(_bar(fault, seconds) for fault in faults),
        across=tuple(Tick(_x(second, seconds), f"{second:g} s") for second in _ticks(seconds)),
        up=tuple(Tick(_y(value, top), f"{value:g}") for value in (0.0, top / 2, top)),
        told="; ".join(f"{name}: at most {_most(line):.3g} {unit}" for name, line in series.items()),
    )


def _bar(fault: Struck, seconds: float) -> Bar:
    x, end = _x(fault.begin, seconds), _x(fault.end, seconds)
    seen = "" if fault.effect else ", no effect was seen"
    told = f"{fault.name} {' '.join(fault.targets)}, {fault.begin:.1f} to {fault.end:.1f} s{seen}"
    return Bar(x, max(2.0, end - x), told, bool(fault.effect))


def _most(line: Series) -> float:
    return max((y for _, y in line), default=0.0)


def _x(second: float, seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * second / seconds


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _rounded_up(value: float, steps: Sequence[int] = _STEPS) -> float:
    """The next of some steps times a power of ten."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 < value:
        power *= 10
    return next(step * power for step in steps if step * power >= value)


def _ticks(seconds: float) -> list[float]:
    step = _rounded_up(seconds / 10)
    return [number * step for number in range(int(seconds / step) + 1)]
