"""A message as JSON Schema, as it is committed under contracts/schemas/."""

from typing import Any

from contracts.messages import Message


def schema(message: type[Message]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": message.type,
        **message.model_json_schema(),
    }
