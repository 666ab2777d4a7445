"""Bars side by side, from the least over the median to the most, as an SVG for light pages and dark. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP = 760, 34, 230, 90, 44
_STYLE = (
    "<style>.ground{fill:#fff}text{fill:#222}.bar{fill:#1f5fae}.spread{stroke:#b4560f;stroke-width:3}"
    "@media (prefers-color-scheme:dark){.ground{fill:#16181d}text{fill:#e6e6e6}.bar{fill:#7db4ff}"
    ".spread{stroke:#ffb26b}}</style>"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing that was measured more than once; `median` is as long as it is drawn."""

    name: str
    min: float
    median: float
    max: float


def bars(title: str, each: Sequence[Bar]) -> str:
    """The picture: a bar a line, longest figure across the whole width."""
    height, most = _TOP + _ROW * len(each) + 12, max(bar.max for bar in each) or 1.0
    told = "; ".join(f"{bar.name}: {bar.median:g}, from {bar.min:g} to {bar.max:g}" for bar in each)
    lines = "".join(_line(bar, number, most) for number, bar in enumerate(each))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f' font-family="system-ui,sans-serif" font-size="13"><title>{escape(f"{title}. {told}")}</title>'
        f'{_STYLE}<rect class="ground" width="100%" height="100%"/>'
        f'<text x="16" y="26" font-weight="600">{escape(title)}</text>{lines}</svg>\n'
    )


def _line(bar: Bar, number: int, most: float) -> str:
    y = _TOP + _ROW * number
    low, middle, high = (_across(value, most) for value in (bar.min, bar.median, bar.max))
    return (
        f'<text x="{_LEFT - 10}" y="{y + 19}" text-anchor="end">{escape(bar.name)}</text>'
        f'<rect class="bar" x="{_LEFT}" y="{y + 4}" width="{middle - _LEFT:.1f}" height="20" rx="2"/>'
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{y + 14}" y2="{y + 14}"/>'
        f'<text x="{high + 8:.1f}" y="{y + 19}">{bar.median:g}</text>'
    )


def _across(value: float, most: float) -> float:
    return _LEFT + value / most * (_WIDTH - _LEFT - _RIGHT)
