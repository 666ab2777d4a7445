"""A change that somebody could not live with is found, rule by rule; one that all can live with is not."""

import copy
import json
import re
from dataclasses import replace

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from contracts import __main__ as command
from contracts import released
from contracts.compatibility import broken, unreadable
from contracts.messages import MESSAGES
from contracts.released import Channel, Contracts, changes, next_version
from tests.payloads import payloads

MANY = settings(max_examples=300, deadline=None)
STRING, WHOLE, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}


def of(required=(), closed=False, **fields):
    """The schema of an object."""
    more = {"additionalProperties": False} if closed else {}
    return {"type": "object", "properties": fields, "required": list(required), **more}


# ── what a reader needs of a writer, keyword by keyword

READABLE = {
    "the same": (STRING, STRING),
    "anything is read": (STRING, {}),
    "whole numbers are numbers": (WHOLE, {"type": "number"}),
    "fewer choices": ({"enum": ["a"]}, {"enum": ["a", "b"]}),
    "one choice": ({"const": "a"}, {"enum": ["a", "b"]}),
    "one kind of two": (STRING, {"anyOf": [NULL, STRING]}),
    "kinds as a list": ({"type": ["string", "null"]}, {"anyOf": [NULL, STRING]}),
    "tighter at both ends": ({"minimum": 2, "maximum": 3}, {"minimum": 1, "maximum": 4}),
    "exclusive is tighter": ({"exclusiveMinimum": 1}, {"minimum": 1}),
    "a field that is not known": (of(["a", "b"], a=STRING, b=STRING), of(["a"], a=STRING)),
    "a field that may be missing": (of(["a"], a=STRING), of(["a"], a=STRING, b=STRING)),
    "a field that is always there": (of(["a"], a=STRING), of(a=STRING)),
    "a map": (
        {"type": "object", "additionalProperties": WHOLE},
        {"type": "object", "additionalProperties": {"type": "number"}},
    ),
    "a part by its name": (
        {"$ref": "#/$defs/P", "$defs": {"P": of(["a"], a=STRING)}},
        {"$ref": "#/$defs/Q", "$defs": {"Q": of(["a"], a=STRING)}},
    ),
    "words about it": ({**STRING, "title": "T", "description": "d", "examples": ["x"]}, STRING),
}
UNREADABLE = {
    "another kind": (STRING, WHOLE, "the message is string, and read as integer"),
    "any kind": ({}, WHOLE, "is anything, and read as integer"),
    "fractions": ({"type": "number"}, WHOLE, "is number, and read as integer"),
    "a choice too many": ({"enum": ["a", "c"]}, {"enum": ["a", "b"]}, r"may be \['c'\], which is not known"),
    "a choice that is no number": ({"enum": [True]}, {"enum": [1]}, r"may be \[True\], which is not known"),
    "no choice": (STRING, {**STRING, "enum": ["a"]}, "may be other than"),
    "no choice, of kinds as a list": (STRING, {"type": ["string"], "const": "a"}, "may be other than"),
    "null": ({"anyOf": [NULL, STRING]}, STRING, "is null, and read as string"),
    "no format": (STRING, {**STRING, "format": "uuid"}, "need not have format 'uuid'"),
    "another pattern": ({**STRING, "pattern": "a"}, {**STRING, "pattern": "b"}, "need not have pattern"),
    "no multiple": (WHOLE, {**WHOLE, "multipleOf": 5}, "need not have multipleOf"),
    "twins": ({"type": "array"}, {"type": "array", "uniqueItems": True}, "need not have uniqueItems"),
    "too small": ({**WHOLE, "minimum": 0}, {**WHOLE, "minimum": 1}, "may be below minimum 1"),
    "too small by a bit": ({"minimum": 1}, {"exclusiveMinimum": 1}, "may be below minimum 1"),
    "too large": ({**WHOLE, "maximum": 9}, {**WHOLE, "maximum": 8}, "may be above maximum 8"),
    "too large by a bit": ({"maximum": 9}, {"exclusiveMaximum": 9}, "may be above maximum 9"),
    "unbounded": (STRING, {**STRING, "maxLength": 3}, "may be above maxLength 3"),
    "too short": (STRING, {**STRING, "minLength": 3}, "may be below minLength 3"),
    "too few": ({"type": "array"}, {"type": "array", "minItems": 1}, "may be below minItems 1"),
    "too many": ({"type": "array"}, {"type": "array", "maxItems": 1}, "may be above maxItems 1"),
    "other items": (
        {"type": "array", "items": STRING},
        {"type": "array", "items": WHOLE},
        r"\[\] is string, and read as integer",
    ),
    "a field too few": (of(a=STRING), of(["a"], a=STRING), "a may be missing, and is needed"),
    "a field too many": (of(a=STRING), of(closed=True), "a is not known, and refused"),
    "a map of others": (
        {"type": "object", "additionalProperties": STRING},
        {"type": "object", "additionalProperties": WHOLE},
        r"\* is string, and read as integer",
    ),
    "a field of a field": (
        of(["a"], a=of(["b"], b=STRING)),
        of(["a"], a=of(["b"], b=WHOLE)),
        "a.b is string, and read as integer",
    ),
    "another default": (
        of(a={**WHOLE, "default": 1}),
        of(a={**WHOLE, "default": 2}),
        "a means something else where it is left out",
    ),
    "a default that is no number": (
        of(a={"default": 1}),
        of(a={"default": True}),
        "a means something else where it is left out",
    ),
    "a keyword that is not known": ({"not": STRING}, {}, "has 'not', which this check cannot compare"),
    "itself in itself": (
        {"$ref": "#/$defs/P", "$defs": {"P": of(["p"], p={"$ref": "#/$defs/P"})}},
        {"$ref": "#/$defs/P", "$defs": {"P": of(["p"], p={"$ref": "#/$defs/P"})}},
        "lies too deep for this check",
    ),
    "a list of itself": (
        {"$ref": "#/$defs/P", "$defs": {"P": {"type": "array", "items": {"$ref": "#/$defs/P"}}}},
        {"$ref": "#/$defs/P", "$defs": {"P": {"type": "array", "items": {"$ref": "#/$defs/P"}}}},
        "lies too deep for this check",
    ),
}


@pytest.mark.parametrize(("writer", "reader"), READABLE.values(), ids=READABLE)
def test_what_can_be_read(writer, reader):
    assert unreadable(writer, reader) == []


@pytest.mark.parametrize(("writer", "reader", "told"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read(writer, reader, told):
    found = unreadable(writer, reader)

    assert len(found) == 1
    assert re.search(told, found[0])


# ── what nobody may do to a message that was released


def fields_of(schema):
    """Every object of a schema, itself and its parts, with the name of each field."""
    for part in [schema, *schema.get("$defs", {}).values()]:
        for name in part.get("properties", {}):
            yield part, name


FIELDS = [(name, n) for name, s in released.released().messages.items() for n in range(len([*fields_of(s)]))]


def changed(name, number, change):
    """The released schema, with one of its fields changed by `change(part, field)`."""
    schema = copy.deepcopy(released.released().messages[name])
    change(*[*fields_of(schema)][number])
    return schema


def remove(part, field):
    del part["properties"][field]
    part["required"] = [each for each in part.get("required", ()) if each != field]


def rename(part, field):
    part["properties"][f"{field}_new"] = part["properties"].pop(field)
    part["required"] = [f"{field}_new" if each == field else each for each in part.get("required", ())]


def narrow(part, field):
    part["properties"][field] = {"anyOf": [{**part["properties"][field], "enum": ["one"]}]}


def retype(part, field):
    part["properties"][field] = {"type": "boolean"}


def widen(part, field):
    part["properties"][field] = {"anyOf": [part["properties"][field], NULL]}


def need_another(part, _field):
    part["properties"]["another"] = STRING
    part["required"] = [*part.get("required", ()), "another"]


@pytest.mark.parametrize("change", [remove, rename, narrow, retype, widen, need_another])
@pytest.mark.parametrize(("name", "number"), FIELDS)
def test_no_field_of_a_released_message_may_change(name, number, change):
    assert broken(released.released().messages[name], changed(name, number, change))


@pytest.mark.parametrize(("name", "number"), FIELDS)
def test_a_field_that_may_be_missing_may_be_added_anywhere(name, number):
    def add(part, _field):
        part["properties"]["another"] = {**STRING, "default": ""}

    assert broken(released.released().messages[name], changed(name, number, add)) == []


# ── the verdict is right, whatever the schemas


leaves = st.one_of(
    st.builds(
        lambda low, more: {**WHOLE, "minimum": low, "maximum": low + more},
        st.integers(-3, 3),
        st.integers(0, 3),
    ),
    st.builds(lambda low: {**WHOLE, "exclusiveMinimum": low}, st.integers(-3, 3)),
    st.builds(lambda most: {**STRING, "maxLength": most}, st.integers(0, 3)),
    st.builds(lambda least: {**STRING, "minLength": least}, st.integers(0, 2)),
    st.builds(lambda some: {"enum": sorted(some)}, st.sets(st.sampled_from("abcd"), min_size=1)),
    st.sampled_from([STRING, WHOLE, {"type": "number"}, {"type": "boolean"}, NULL]),
)


def nested(inner):
    names = st.sets(st.sampled_from("pqr"))
    objects = st.builds(
        lambda fields, needed, closed: of(sorted(needed & set(fields)), closed, **fields),
        st.dictionaries(st.sampled_from("pqr"), inner, max_size=3),
        names,
        st.booleans(),
    )
    lists = st.builds(
        lambda each, most: {"type": "array", "items": each, "maxItems": most}, inner, st.integers(1, 3)
    )
    return objects | lists | st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner)


schemas = st.recursive(leaves, nested, max_leaves=5)


@MANY
@given(schemas)
def test_a_contract_can_read_itself(schema):
    assert unreadable(schema, schema) == []
    assert broken(schema, schema) == []


@st.composite
def pairs(draw):
    """A writer and a reader that have something in common, so that either verdict is likely."""
    writer = draw(schemas)
    return writer, draw(
        schemas | st.just({"anyOf": [writer, draw(schemas)]}) | st.just(_looser(draw, writer))
    )


def _looser(draw, schema):
    found = copy.deepcopy(schema)
    for keyword in draw(st.sets(st.sampled_from(["minimum", "maxLength", "maxItems", "required", "enum"]))):
        found.pop(keyword, None)
    return found


@MANY
@given(pairs(), st.data())
def test_what_is_called_readable_is_read(pair, data):
    writer, reader = pair
    verdict = unreadable(writer, reader)
    event("readable" if not verdict else "unreadable")
    assume(not verdict)

    written = data.draw(payloads(writer))

    assert list(Draft202012Validator(reader).iter_errors(written)) == []


@pytest.mark.parametrize("name", released.released().messages)
def test_the_code_reads_all_that_was_released_and_is_read_by_those_who_know_only_that(name):
    schema = released.released().messages[name]

    @settings(max_examples=30, deadline=None)
    @given(payloads(schema))
    def check(payload):
        message = MESSAGES[name].model_validate_json(json.dumps(payload))

        written = json.loads(message.model_dump_json())
        assert list(Draft202012Validator(schema).iter_errors(written)) == []
        assert written == written | payload

    check()


# ── messages and topics as a whole

SMALL = Contracts({"a.b.v1": of(["order_id"], order_id=STRING)}, {"t": Channel(3, ["a.b.v1"])})


def test_a_new_version_beside_the_old_one_breaks_nothing():
    messages = {**SMALL.messages, "a.b.v2": of()}
    beside = Contracts(messages, {"t": Channel(3, ["a.b.v1", "a.b.v2"]), "u": Channel(3, [])})

    assert changes(SMALL, beside) == []


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (replace(SMALL, messages={"a.c.v1": of()}), "a.b.v1 is gone.*beside a.b.v2.*retire a.b.v1"),
        (replace(SMALL, messages={"a.b.v1": of()}), "a.b.v1: a reader.*add a.b.v2 beside it"),
        (replace(SMALL, topics={}), "topic t is gone.*Keep it"),
        (replace(SMALL, topics={"t": Channel(6, ["a.b.v1"])}), "t had 3 partitions"),
        (replace(SMALL, topics={"t": Channel(3, []), "u": Channel(3, ["a.b.v1"])}), "has left topic t"),
    ],
    ids=["renamed", "changed", "no topic", "partitions", "moved"],
)
def test_what_breaks_somebody_is_told_with_what_to_do(now, told):
    found = changes(SMALL, now)

    assert len(found) == 1
    assert re.search(told, found[0])


def test_versions_count_on():
    assert next_version("payment.refund-failed.v9") == "payment.refund-failed.v10"


# ── the command


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place of its own for what was released: all of today."""
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    monkeypatch.setattr(released, "TOPICS", tmp_path / "topics.json")
    released.release(released.current())
    return tmp_path


def test_what_is_released_is_what_is_read_back(folder):
    assert released.released() == released.current()


def test_a_release_that_breaks_somebody_is_refused_and_changes_nothing(folder):
    path = folder / "order.failed.v1.json"
    path.write_text(path.read_text().replace('"reason"', '"why"'))
    before = {each.name: each.read_text() for each in folder.iterdir()}

    with pytest.raises(SystemExit, match=r"not released(.|\n)*why"):
        command.main(["release"])

    assert {each.name: each.read_text() for each in folder.iterdir()} == before


def test_a_release_keeps_what_is_new(folder):
    (folder / "order.failed.v1.json").unlink()

    command.main(["release"])

    assert released.released() == released.current()


def test_a_type_that_nobody_holds_any_more_is_forgotten_by_name(folder):
    command.main(["retire", "order.failed.v1"])

    assert "order.failed.v1" not in released.released().messages
    with pytest.raises(SystemExit, match="never released"):
        command.main(["retire", "order.failed.v1"])


@pytest.mark.parametrize("words", [["nonsense"], ["retire"], ["release", "more"]])
def test_a_command_that_is_none_is_told_how_it_goes(words):
    with pytest.raises(SystemExit, match="python -m contracts"):
        command.main(words)
