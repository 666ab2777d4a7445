"""What a JSON Schema of a message lets a writer write, as a hypothesis strategy."""

from typing import Any

from hypothesis import strategies as st

TEXT = st.text("abc é\n", max_size=4)
_BY_FORMAT = {"uuid": st.uuids().map(str)}
_ANYTHING = st.none() | st.booleans() | st.integers(-9, 9) | TEXT


def payloads(schema: dict[str, Any], parts: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Values by the schema, of the keywords that pydantic uses for our messages; any other is an error."""
    parts = schema.get("$defs", {}) if parts is None else parts
    if "$ref" in schema:
        return payloads(parts[schema["$ref"].rpartition("/")[2]], parts)
    if "anyOf" in schema:
        return st.one_of([payloads(each, parts) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _BY_TYPE[schema.get("type")](schema, parts)


def _object(schema, parts):
    properties = {name: payloads(each, parts) for name, each in schema.get("properties", {}).items()}
    always = set(schema.get("required", ()))
    optional = {name: each for name, each in properties.items() if name not in always}
    return st.fixed_dictionaries({name: properties[name] for name in always}, optional=optional)


def _array(schema, parts):
    each = payloads(schema["items"], parts) if "items" in schema else _ANYTHING
    return st.lists(each, min_size=schema.get("minItems", 0), max_size=schema.get("maxItems", 3))


def _string(schema, _parts):
    if "format" in schema:
        return _BY_FORMAT[schema["format"]]
    low = schema.get("minLength", 0)
    return st.text("abc é", min_size=low, max_size=schema.get("maxLength", low + 3))


def _number(schema, _parts):
    low = schema.get("minimum", schema.get("exclusiveMinimum", -10))
    high = schema.get("maximum", schema.get("exclusiveMaximum", max(low, 0) + 10))
    outside = {schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")}
    return st.integers(low, high).filter(lambda number: number not in outside)


_BY_TYPE = {
    None: lambda _schema, _parts: _ANYTHING,
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": lambda schema, parts: _number(schema, parts) | _number(schema, parts).map(float),
    "boolean": lambda _schema, _parts: st.booleans(),
    "null": lambda _schema, _parts: st.none(),
}
