"""The connectors as they should be: one JSON file each, such as an operator could PUT."""

import json
from pathlib import Path

_FOLDER = Path(__file__).with_name("connectors")


def configuration(connector: str) -> dict[str, str]:
    """What `connect/connectors/<connector>.json` says."""
    config: dict[str, str] = json.loads((_FOLDER / f"{connector}.json").read_text())
    return config


def differs(current: dict[str, str] | None, wanted: dict[str, str]) -> bool:
    """Whether a connector must be PUT: a PUT restarts its task, even when it changes nothing."""
    if current is None:
        return True
    # Connect adds the name to what was put.
    return {key: value for key, value in current.items() if key != "name"} != wanted
