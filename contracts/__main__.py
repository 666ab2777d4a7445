"""The contracts as files.

`python -m contracts` writes the JSON Schema of each message into contracts/schemas/. `python -m contracts
release` keeps what the code says as what was released last, unless that would break somebody; `python -m
contracts retire TYPE` forgets a type that nobody can hold any more.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from contracts import released
from contracts.json_schema import schema
from contracts.messages import MESSAGES

SCHEMAS = Path(__file__).with_name("schemas")


def write_schemas() -> None:
    for name, message in MESSAGES.items():
        (SCHEMAS / f"{name}.json").write_text(json.dumps(schema(message), indent=2) + "\n")


def release() -> None:
    now = released.current()
    if found := released.changes(released.released(), now):
        sys.exit("\n".join(["not released:", *found]))
    released.release(now)


def retire(name: str) -> None:
    """Forget that a type was released: whoever says so knows that no message of it is anywhere."""
    before = released.released()
    if name not in before.messages:
        sys.exit(f"{name} was never released")
    left = {each: described for each, described in before.messages.items() if each != name}
    released.release(replace(before, messages=left))


COMMANDS: Mapping[str, Callable[..., None]] = {"schemas": write_schemas, "release": release, "retire": retire}


def main(arguments: list[str]) -> None:
    command, *rest = arguments or ["schemas"]
    if command not in COMMANDS or len(rest) != (command == "retire"):
        sys.exit(__doc__)
    COMMANDS[command](*rest)


if __name__ == "__main__":
    main(sys.argv[1:])
