"""A small drawing of a measurement: bars from least to most with the median, over sizes of history."""

from collections.abc import Sequence
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _FLOOR = 560, 300, 70, 240
_COLOURS = {"busy": "#2b6cb0", "idle": "#718096"}
_HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
    ' font-size="12"><rect width="100%" height="100%" fill="white"/>'
)


def draw(rounds: Sequence[dict[str, Any]]) -> str:
    """An SVG of seconds a round; taller is slower, and level is what one hopes for."""
    top = max(each[kind]["max"] for each in rounds for kind in _COLOURS) * 1.1
    parts = [_HEAD, _text(_LEFT, 20, "Seconds of an audit round, by events of history")]
    parts += [_grid(top, share) for share in (0, 0.5, 1)]
    for place, each in enumerate(rounds):
        x = _LEFT + 70 + place * 150
        parts.append(_text(x, _FLOOR + 20, f"{each['history']:,}"))
        parts += [
            _bar(x + 24 * n, each[kind], top, colour) for n, (kind, colour) in enumerate(_COLOURS.items())
        ]
    parts.append(
        _text(_LEFT, _HEIGHT - 12, "blue: 1,000 new events · grey: none · least, median, most of five")
    )
    return "".join([*parts, "</svg>\n"])


def _y(seconds: float, top: float) -> float:
    return _FLOOR - seconds / top * (_FLOOR - 40)


def _grid(top: float, share: float) -> str:
    y = _y(top * share, top)
    line = f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
    return line + _text(16, y + 4, f"{top * share:.3f}")


def _bar(x: int, spread: dict[str, float], top: float, colour: str) -> str:
    low, middle, high = (_y(spread[name], top) for name in ("min", "median", "max"))
    return (
        f'<line x1="{x}" x2="{x}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}" stroke-width="3"/>'
        f'<circle cx="{x}" cy="{middle:.1f}" r="5" fill="{colour}"/>'
    )


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x}" y="{y:.1f}">{words}</text>'
