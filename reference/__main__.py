"""Write docs/reference/ anew: `python -m reference`. A house test holds it to the code."""

import json
from collections.abc import Mapping
from pathlib import Path

from contracts.services import SERVICES
from reference import asyncapi, cli, messages, openapi, sagas, settings, topics
from stack.layout import ROOT
from web.openapi import Json

FOLDER = ROOT / "docs" / "reference"


def documents() -> Mapping[Path, str]:
    """Every generated file, by its place in docs/reference/."""
    return {
        Path("commands.md"): cli.document(),
        Path("settings.md"): settings.document(),
        Path("topics.md"): topics.document(),
        Path("messages.md"): messages.document(),
        Path("saga.md"): sagas.document(),
        **{Path(f"openapi-{each.name}.json"): _as_text(openapi.document(each)) for each in SERVICES},
        **{Path(f"asyncapi-{each.name}.json"): _as_text(asyncapi.document(each)) for each in SERVICES},
    }


def _as_text(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    made = documents()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.iterdir():
        if Path(path.name) not in made:
            path.unlink()
    for place, text in made.items():
        (FOLDER / place).write_text(text)


if __name__ == "__main__":
    main()
