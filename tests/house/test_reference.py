"""docs/reference/ is what the code says, and its AsyncAPI documents are documents of that kind."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from jsonschema.validators import Draft202012Validator

from contracts.services import SERVICES
from messaging.envelope import ID, TYPE
from reference import asyncapi, settings
from reference.__main__ import FOLDER, documents
from reference.processes import NODES
from tests.builders import charge, completed, refund, release, reserve

MADE = documents()
ASYNCAPI = json.loads((Path(__file__).parents[1] / "vendored" / "asyncapi" / "3.0.0.json").read_text())
ANEW = "docs/reference/ is not what the code says: `.venv/bin/python -m reference` writes it anew"

each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)


@pytest.mark.parametrize("place", MADE, ids=str)
def test_a_page_is_what_the_code_says(place):
    path = FOLDER / place

    assert path.exists(), ANEW
    assert path.read_text() == MADE[place], ANEW


def test_no_page_is_left_over():
    assert {path.name for path in FOLDER.iterdir()} == {str(place) for place in MADE}, ANEW


# ── settings


def test_what_a_process_is_given_it_reads():
    """At its start, or a part of it later."""
    known, later = settings.by_process(), set(settings.in_sources())
    for name, node in NODES.items():
        read = {setting.name for setting in known.get(name, ())}
        assert set(node.environment) <= read | later, name


def test_what_a_process_must_be_given_the_stack_gives():
    known = settings.by_process()
    for name, node in NODES.items():
        required = {setting.name for setting in known.get(name, ()) if setting.default is None}
        assert required <= set(node.environment), name


def test_every_variable_that_a_source_names_is_told_of():
    page = MADE[Path("settings.md")]

    named = settings.in_sources()

    assert {"RATE_LIMIT", "STOCK_FAILURE_RATE", "GATEWAY_URL"} <= set(named)
    assert [name for name in named if f"| `{name}` |" not in page] == []


# ── AsyncAPI


def problems(document):
    return [error.message for error in Draft7Validator(ASYNCAPI).iter_errors(document)]


@each_service
def test_a_document_is_valid_asyncapi(service):
    assert problems(asyncapi.document(service)) == []


@pytest.mark.parametrize("place", ["info", "channels", "operations"])
def test_a_document_that_is_none_is_noticed(place):
    document = asyncapi.document(SERVICES[0])
    document[place] = {"nonsense": 1}

    assert problems(document)


@each_service
def test_every_reference_leads_somewhere(service):
    document = asyncapi.document(service)

    found = list(references(document))

    assert found
    for each in found:
        assert each.startswith("#/")
        place = document
        for word in each.removeprefix("#/").split("/"):
            place = place[word]


def references(part):
    if isinstance(part, dict):
        yield from [part["$ref"]] if "$ref" in part else []
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


@pytest.mark.parametrize("message", [charge(), refund(charge().order_id), reserve(), release()])
def test_a_command_is_as_the_document_of_its_writer_says(message):
    told = asyncapi.document(SERVICES[0])["components"]
    payload = told["messages"][message.type]["payload"]["$ref"].rpartition("/")[2]
    schema = {"$ref": f"#/components/schemas/{payload}", "components": told}

    assert list(Draft202012Validator(schema).iter_errors(json.loads(message.model_dump_json()))) == []
    assert list(Draft202012Validator(schema).iter_errors({"order_id": 5})) != []


@each_service
def test_the_headers_are_those_that_a_reader_goes_by(service):
    headers = asyncapi.document(service)["components"]["schemas"]["Headers"]

    assert {ID, TYPE} <= set(headers["required"]) <= set(headers["properties"])


def test_who_reads_a_topic_receives_and_who_writes_it_sends():
    topic = completed(charge().order_id).topic

    told = {each.name: set(asyncapi.document(each)["operations"]) for each in SERVICES}

    assert [name for name, operations in told.items() if f"send.{topic}" in operations] == ["order"]
    readers = {name for name, operations in told.items() if f"receive.{topic}" in operations}
    assert "inventory" in readers
    assert not readers & {"order", "payment"}
