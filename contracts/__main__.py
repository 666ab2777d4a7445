"""Write the JSON Schema of each message into contracts/schemas/: `python -m contracts`."""

import json
from pathlib import Path

from contracts.messages import MESSAGES
from contracts.schema import schema

FOLDER = Path(__file__).parent / "schemas"

for name, message in MESSAGES.items():
    (FOLDER / f"{name}.json").write_text(json.dumps(schema(message), indent=2) + "\n")
