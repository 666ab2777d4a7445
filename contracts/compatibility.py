"""Whether messages of one contract can be read by another: pure, told from their JSON Schemas alone.

A writer writes the fields that its schema knows, and no others; a reader ignores fields that it does not
know, unless its schema forbids them. What cannot be compared is told as unreadable: too strict at worst,
never too lax.

Our own, because what there is answers otherwise: jsoncompat (0.3) lets a changed format, pattern or default
pass, refuses every field that is added, since a writer might have meant something else by it, and says yes or
no without a reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

# What says nothing about which values are allowed. A default does: see `_fields`.
_SILENT = {"$schema", "$id", "$defs", "title", "description", "examples", "deprecated", "default"}
_COMPARED = {
    *("type", "enum", "const", "anyOf", "$ref", "format", "pattern", "multipleOf", "uniqueItems"),
    *("minimum", "exclusiveMinimum", "minLength", "minItems"),
    *("maximum", "exclusiveMaximum", "maxLength", "maxItems"),
    *("properties", "required", "additionalProperties", "items"),
}
# The least and the most: (inclusive, exclusive), and what is measured.
_LEAST = (("minimum", "exclusiveMinimum"), ("minLength", ""), ("minItems", ""))
_MOST = (("maximum", "exclusiveMaximum"), ("maxLength", ""), ("maxItems", ""))
# A reader that asks for one of these gets what it asks for only from a writer that promises the same.
_SAME = ("format", "pattern", "multipleOf", "uniqueItems")
_OF_OBJECTS = {"properties", "required", "additionalProperties"}
# A part that consists of itself would be followed for ever.
_DEPTH_MAX = 20


def unreadable(writer: Json, reader: Json, *, every_field: bool = False) -> list[str]:
    """What the writer may write that the reader refuses or misunderstands; empty when there is nothing.

    With `every_field` the writer must know each field that the reader knows, optional ones too.
    """
    return list(_Comparison(writer, reader, every_field).of(writer, reader, ""))


def broken(old: Json, new: Json) -> list[str]:
    """What a change from `old` to `new` breaks: for what is stored already, and for readers of the old."""
    stored = (f"a stored message may be unreadable: {each}" for each in unreadable(old, new))
    readers = (
        f"a reader of the old contract is in trouble: {each}"
        for each in unreadable(new, old, every_field=True)
    )
    return [*stored, *readers]


class _Comparison:
    """A writer and a reader, with the parts that each refers to by name."""

    def __init__(self, writer: Json, reader: Json, every_field: bool) -> None:
        self._writers: Json = writer.get("$defs", {})
        self._readers: Json = reader.get("$defs", {})
        self._every_field = every_field

    def of(self, writer: Json, reader: Json, where: str) -> Iterator[str]:
        """Each way in which the writer may put it must be one that the reader understands."""
        if where.count(".") + where.count("[]") > _DEPTH_MAX:
            yield f"{where} lies too deep for this check"
            return
        readings = list(_alternatives(reader, self._readers))
        for way in _alternatives(writer, self._writers):
            found = [list(self._one(way, reading, where)) for reading in readings]
            if all(found):
                yield from min(found, key=len)

    def _one(self, writer: Json, reader: Json, where: str) -> Iterator[str]:
        here = where or "the message"
        yield from (
            f"{here} has {name!r}, which this check cannot compare" for name in _strange(writer, reader)
        )
        yield from (f"{here} {told}" for told in _values(writer, reader))
        if _OF_OBJECTS & reader.keys() and writer.get("type", "object") == "object":
            yield from self._fields(writer, reader, where)
        if "items" in reader:
            yield from self.of(writer.get("items", {}), reader["items"], f"{where}[]")

    def _fields(self, writer: Json, reader: Json, where: str) -> Iterator[str]:
        written, read = writer.get("properties", {}), reader.get("properties", {})
        always = set(writer.get("required", ()))
        for name in sorted(set(reader.get("required", ())) - always):
            yield f"{_at(where, name)} may be missing, and is needed"
        for name in sorted(read.keys() & written.keys()):
            yield from self.of(written[name], read[name], _at(where, name))
            defaults = written[name].get("default"), read[name].get("default")
            if name not in always and not _is_same(*defaults):
                yield f"{_at(where, name)} means something else where it is left out: its default differs"
        if self._every_field:
            for name in sorted(read.keys() - written.keys() - set(reader.get("required", ()))):
                yield f"{_at(where, name)} is never told any more"
        yield from self._unknown_fields(writer, reader, where)

    def _unknown_fields(self, writer: Json, reader: Json, where: str) -> Iterator[str]:
        """Fields by names that the reader does not know."""
        more = reader.get("additionalProperties", True)
        written, read = writer.get("properties", {}), reader.get("properties", {})
        unknown = {_at(where, name): written[name] for name in sorted(written.keys() - read.keys())}
        if isinstance(writer.get("additionalProperties"), Mapping):
            unknown[_at(where, "*")] = writer["additionalProperties"]
        for place, field in unknown.items():
            if more is False:
                yield f"{place} is not known, and refused"
            elif isinstance(more, Mapping):
                yield from self.of(field, more, place)


def _alternatives(schema: Json, parts: Json) -> Iterator[Json]:
    """The schema without references and choices: one or more that have neither."""
    if "$ref" in schema:
        part = parts[schema["$ref"].rpartition("/")[2]]
        yield from _alternatives({**part, **_without(schema, "$ref")}, parts)
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _alternatives({**_without(schema, "anyOf"), **each}, parts)
    elif isinstance(schema.get("type"), list):
        for each in schema["type"]:
            yield from _alternatives({**schema, "type": each}, parts)
    elif "const" in schema:
        yield {**_without(schema, "const"), "enum": [schema["const"]]}
    else:
        yield schema


def _values(writer: Json, reader: Json) -> Iterator[str]:
    """What keywords other than those of objects and lists say of the values."""
    kinds = writer.get("type"), reader.get("type")
    if kinds[1] is not None and kinds[0] != kinds[1] and kinds != ("integer", "number"):
        yield f"is {kinds[0] or 'anything'}, and read as {kinds[1]}"
    if "enum" in reader:
        yield from _choices(writer, reader["enum"])
    for name in _SAME:
        if reader.get(name) and writer.get(name) != reader[name]:
            yield f"need not have {name} {reader[name]!r}"
    for pair in _LEAST:
        if (least := _bound(reader, pair, 1)) and (
            (given := _bound(writer, pair, 1)) is None or given < least
        ):
            yield f"may be below {pair[0]} {least[0]}"
    for pair in _MOST:
        if (most := _bound(reader, pair, -1)) and (
            (given := _bound(writer, pair, -1)) is None or given > most
        ):
            yield f"may be above {pair[0]} {most[0]}"


def _choices(writer: Json, known: Iterable[Any]) -> Iterator[str]:
    if "enum" not in writer:
        yield f"may be other than {known}"
    elif more := [each for each in writer["enum"] if not any(_is_same(each, one) for one in known)]:
        yield f"may be {more}, which is not known"


def _is_same(one: Any, other: Any) -> bool:
    """As JSON has it, where true is no number."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _bound(schema: Json, pair: tuple[str, str], inward: int) -> tuple[float, int] | None:
    """The bound, and whether it lies inside of the value: what is exclusive is the tighter of two."""
    found = [(schema[name], inward * place) for place, name in enumerate(pair) if name in schema]
    if not found:
        return None
    return max(found) if inward > 0 else min(found)


def _strange(*schemas: Json) -> set[str]:
    return {name for schema in schemas for name in schema} - _SILENT - _COMPARED


def _without(schema: Json, name: str) -> Json:
    return {key: value for key, value in schema.items() if key != name}


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
