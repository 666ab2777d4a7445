"""A service's OpenAPI 3.1 document, made of what its routes promise."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from web.operations import RETRY_AFTER, Header, Operation, promise_of
from web.shapes import ProblemDetails
from web.tracing import TRACED

Json = dict[str, Any]

VERSION = "0.1.0"

_REF = "#/components/schemas/{model}"
_PLACE = re.compile(r"<(?:\w+:)?(\w+)>")

_BODY_PROBLEMS = {
    400: "The body is no JSON.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "A field is missing, unknown or out of range; `errors` says which.",
}
_QUERY_PROBLEMS = {422: "A parameter is unknown, repeated or out of range; `errors` says which."}
_DATABASE_PROBLEMS = {503: "The database is not available."}
_ASK_AGAIN = {409, 429, 503}
_EVERY_PROBLEM = {500: "Something went wrong on the service's side."}


def document(app: Flask) -> Json:
    """The whole document, as JSON would hold it."""
    promised = list(_promised(app))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"neverlost: {app.name}",
            "version": VERSION,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Errors are problem details (RFC 9457). Amounts are in minor units.",
        },
        "paths": _paths(promised),
        "components": {
            "schemas": _schemas([operation for _, operation in promised]),
            "securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}},
        },
    }


def _promised(app: Flask) -> Iterator[tuple[Rule, Operation]]:
    for rule in app.url_map.iter_rules():
        view: Callable[..., Any] = app.view_functions[rule.endpoint]
        if operation := promise_of(view):
            yield rule, operation


def _paths(promised: list[tuple[Rule, Operation]]) -> Json:
    paths: dict[str, Json] = {}
    for rule, operation in promised:
        path = paths.setdefault(_PLACE.sub(r"{\1}", rule.rule), {})
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path[method.lower()] = _operation(rule.endpoint, operation)
    return paths


def _operation(endpoint: str, operation: Operation) -> Json:
    described: Json = {
        "operationId": endpoint.replace(".", "_"),
        "tags": [endpoint.partition(".")[0]],
        "summary": operation.summary,
        "parameters": list(_parameters(operation)),
        "responses": dict(_answers(operation)) | dict(_problems(operation)),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.body:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    if any(trait.operator for trait in operation.traits):
        described["security"] = [{"operator": []}]
    return described


def _parameters(operation: Operation) -> Iterator[Json]:
    for name, kind in operation.path.items():
        schema = TypeAdapter(kind).json_schema()
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if operation.query:
        schema = operation.query.model_json_schema(ref_template=_REF)
        for name, found in schema["properties"].items():
            yield {"name": name, "in": "query", "schema": _never_null(found)}
    for header in _headers(operation, "asks"):
        yield {"in": "header", "name": header.name, **_described(header)}


def _answers(operation: Operation) -> Iterator[tuple[str, Json]]:
    for status, model in operation.answers.items():
        yield (
            str(status),
            {
                "description": (model.__doc__ or model.__name__).splitlines()[0],
                "content": _content(model, operation.media_type),
                **_with_headers(operation, status),
            },
        )


def _problems(operation: Operation) -> Iterator[tuple[str, Json]]:
    for status, why in sorted(problems(operation).items()):
        yield (
            str(status),
            {
                "description": why,
                "content": _content(ProblemDetails, "application/problem+json"),
                **_with_headers(operation, status, *((RETRY_AFTER,) if status in _ASK_AGAIN else ())),
            },
        )


def problems(operation: Operation) -> Mapping[int, str]:
    """Every problem that the operation can answer with: its own, and those of all that it goes through."""
    sources = [
        operation.problems,
        _BODY_PROBLEMS if operation.body else {},
        _QUERY_PROBLEMS if operation.query else {},
        *(trait.problems for trait in operation.traits),
        _DATABASE_PROBLEMS if operation.database else {},
        _EVERY_PROBLEM,
    ]
    found: dict[int, str] = {}
    for status, why in (pair for source in sources for pair in source.items()):
        found[status] = f"{found[status]} Or: {why}" if status in found else why
    return found


def _with_headers(operation: Operation, status: int, *more: Header) -> Json:
    known = (*operation.headers, *_headers(operation, "answers"))
    wanted = [header for header in known if status in header.on or (status < 300 and not header.on)]
    described = {header.name: _described(header) for header in (*wanted, *more)}
    return {"headers": described} if described else {}


def _headers(operation: Operation, side: str) -> Iterator[Header]:
    for trait in (*operation.traits, TRACED):
        yield from getattr(trait, side)


def _described(header: Header) -> Json:
    return {"description": header.description, "schema": dict(header.schema)}


def _content(model: type[BaseModel], media_type: str = "application/json") -> Json:
    return {media_type: {"schema": {"$ref": _REF.format(model=model.__name__)}}}


def _never_null(schema: Json) -> Json:
    """A parameter is absent, never null."""
    schema = {name: value for name, value in schema.items() if value is not None}
    kinds = [kind for kind in schema.pop("anyOf", []) if kind.get("type") != "null"]
    return {**schema, **kinds[0]} if kinds else schema


def _schemas(operations: list[Operation]) -> Json:
    """Every model that an operation names, and what those are made of, each once."""
    models: dict[str, type[BaseModel]] = {ProblemDetails.__name__: ProblemDetails}
    for operation in operations:
        for model in (operation.body, operation.query, *operation.answers.values()):
            if model is not None:
                models[model.__name__] = model
    _, schema = models_json_schema([(model, "validation") for model in models.values()], ref_template=_REF)
    asked = {operation.query.__name__ for operation in operations if operation.query}
    return {name: found for name, found in schema["$defs"].items() if name not in asked}
