"""A small drawing of the auditor's cost over sizes of history, for light pages and dark ones. Pure."""

from collections.abc import Sequence
from typing import Any

_WIDTH, _HEIGHT, _PANEL, _LEFT, _TOP, _FLOOR = 760, 270, 380, 62, 56, 206
_KINDS = ("busy", "idle")
_PACES = {"busy": "read_a_second", "idle": "events_a_second"}

# In a page of either kind: the picture brings its own ground.
_STYLE = """<style>
rect{fill:#fff}text{fill:#222}.grid{stroke:#ddd}.faint{fill:#666}
.busy{stroke:#1f5fae;fill:#1f5fae}.idle{stroke:#b4560f;fill:#b4560f}
path{fill:none!important;stroke-width:2}
text.busy,text.idle{stroke:none}
@media (prefers-color-scheme:dark){
rect{fill:#16181d}text{fill:#e6e6e6}.grid{stroke:#3a3f4a}.faint{fill:#a0a4ad}
.busy{stroke:#7db4ff;fill:#7db4ff}.idle{stroke:#ffb26b;fill:#ffb26b}}
</style>"""
_HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
    ' font-family="system-ui,sans-serif" font-size="13"><title>{}</title>'
    + _STYLE.replace("\n", "").replace("{", "{{").replace("}", "}}")
    + '<rect width="100%" height="100%"/>'
)

Rounds = Sequence[dict[str, Any]]


def draw(rounds: Rounds) -> str:
    """An SVG: how long a round takes, and how many events it follows; level is what one hopes for."""
    parts = [_HEAD.format(_told(rounds)), *_durations(rounds), *_pace(rounds)]
    parts.append(_text(_PANEL, _HEIGHT - 12, "events of history behind it", "faint", "middle"))
    return "".join([*parts, "</svg>\n"])


def _told(rounds: Rounds) -> str:
    """What is seen, for whoever does not see it."""
    each = (
        f"behind {r['history']:,} events a round takes {r['busy']['median']:.3f} s,"
        f" and {r['catch_up']['events_a_second']:,.0f} events a second are followed"
        for r in rounds
    )
    return "; ".join(each)


def _durations(rounds: Rounds) -> list[str]:
    top = _rounded_up(max(each[kind]["max"] for each in rounds for kind in _KINDS))
    parts = [_text(_LEFT, 22, "Seconds a round (least, median, most of five)")]
    parts += [_text(_LEFT, 42, "with 1,000 new events", "busy"), _text(_LEFT + 160, 42, "with none", "idle")]
    parts += _grid(0, top, 2)
    for kind in _KINDS:
        parts.append(_line(0, [each[kind]["median"] for each in rounds], top, kind))
        parts += [_spread(_across(0, n), each[kind], top, kind) for n, each in enumerate(rounds)]
    return parts + _sizes(0, rounds)


def _pace(rounds: Rounds) -> list[str]:
    series = {name: [each["catch_up"][key] for each in rounds] for name, key in _PACES.items()}
    top = _rounded_up(max(value for values in series.values() for value in values))
    left = _PANEL + _LEFT
    parts = [_text(left, 22, "Events a second that it can follow"), *_grid(_PANEL, top, 0)]
    parts += [_text(left, 42, "read and met", "busy"), _text(left + 100, 42, "orders compared too", "idle")]
    for kind, values in series.items():
        parts.append(_line(_PANEL, values, top, kind))
        for number, value in enumerate(values):
            x, y = _across(_PANEL, number), _y(value, top)
            parts.append(f'<circle class="{kind}" cx="{x}" cy="{y:.1f}" r="4"/>')
            parts.append(_text(x, y + (-10 if kind == "busy" else 20), f"{value:,.0f}", kind, "middle"))
    return parts + _sizes(_PANEL, rounds)


def _spread(x: int, spread: dict[str, float], top: float, kind: str) -> str:
    low, middle, high = (_y(spread[name], top) for name in ("min", "median", "max"))
    return (
        f'<line class="{kind}" x1="{x}" x2="{x}" y1="{low:.1f}" y2="{high:.1f}" stroke-width="3"/>'
        f'<circle class="{kind}" cx="{x}" cy="{middle:.1f}" r="4"/>'
        + _text(x + 9, middle - 6, f"{spread['median']:.2f}", kind)
    )


def _line(left: int, values: Sequence[float], top: float, kind: str) -> str:
    points = " L".join(f"{_across(left, n)},{_y(value, top):.1f}" for n, value in enumerate(values))
    return f'<path class="{kind}" d="M{points}"/>'


def _grid(left: int, top: float, digits: int) -> list[str]:
    parts = []
    for share in (0, 0.5, 1):
        y = _y(top * share, top)
        ends = f'x1="{left + _LEFT}" x2="{left + _PANEL - 16}"'
        parts.append(f'<line class="grid" {ends} y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(left + _LEFT - 8, y + 4, f"{top * share:,.{digits}f}", "faint", "end"))
    return parts


def _sizes(left: int, rounds: Rounds) -> list[str]:
    return [
        _text(_across(left, n), _FLOOR + 22, f"{each['history']:,}", "faint", "middle")
        for n, each in enumerate(rounds)
    ]


def _across(left: int, number: int) -> int:
    return left + _LEFT + 40 + number * 110


def _y(value: float, top: float) -> float:
    return _FLOOR - value / top * (_FLOOR - _TOP)


def _rounded_up(value: float) -> float:
    """The next of 1, 2, 4, 5 times a power of ten: halves of it are round too."""
    power = 10.0 ** len(str(int(value))) if value >= 1 else 1.0
    while power > value:
        power /= 10
    return next(power * step for step in (1, 2, 4, 5, 10) if power * step >= value)


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'
