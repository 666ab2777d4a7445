"""Markdown that is made by code: tables, and what stands at the head of every page."""

from collections.abc import Iterable, Sequence

COMMAND = "python -m reference"


def page(title: str, *parts: str) -> str:
    """A page; the note at its head says that it is made, and by what."""
    note = f"<!-- Made of the code by `{COMMAND}`; a change here is lost. -->"
    return "\n\n".join([note, f"# {title}", *parts]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str]) -> str:
    return ", ".join(map(code, texts))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
