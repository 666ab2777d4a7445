"""A message as JSON Schema, for whoever reads it in another language, and for comparing versions."""

from typing import Any

from contracts.messages import Message


def schema(message: type[Message]) -> dict[str, Any]:
    """The JSON Schema of a payload, as it is committed under contracts/schemas/."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": message.type,
        **message.model_json_schema(),
    }
