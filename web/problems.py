"""Errors as RFC 9457 problem details, for every answer from 400 on."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, jsonify, request
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from messaging.errors import MomentaryFault, lacks_partition
from runtime import redaction
from runtime.errors import NeverlostError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` is a path such as `items[0].sku`."""

    field: str
    detail: str


class Problem(NeverlostError):  # noqa: N818 - RFC 9457's name
    """Ends a request with a problem; nothing of the request's transaction is kept."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


def unprocessable(field: str, detail: str) -> Problem:
    return Problem(
        422,
        "The request was understood, but it cannot be carried out as it is.",
        (FieldError(field, detail),),
    )


def not_found(what: str) -> Problem:
    return Problem(404, f"There is no such {what}.")


def from_validation(error: ValidationError) -> Problem:
    """400 where the body is no JSON, else 422 with one error a field. Never repeats the input."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    if any(each["type"] == "json_invalid" for each in found):
        return Problem(400, "The body is not valid JSON.")
    errors = tuple(FieldError(_path(each["loc"]), each["msg"]) for each in found)
    return Problem(422, "The request was understood, but it cannot be carried out as it is.", errors)


def answer_with_problems(app: Flask) -> None:
    """Make the application answer every error as a problem."""
    app.register_error_handler(Problem, _answer)
    app.register_error_handler(ValidationError, lambda error: _answer(from_validation(error)))
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(MomentaryFault, _answer_later)
    app.register_error_handler(OperationalError, _answer_unavailable)
    app.register_error_handler(InternalError, _answer_unavailable)  # a session the server ended
    app.register_error_handler(PoolTimeout, _answer_unavailable)
    app.register_error_handler(IntegrityError, _answer_refused)
    app.register_error_handler(Exception, _answer_unexpected)


def _answer(problem: Problem) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
    }
    if problem.errors:
        body["errors"] = [{"field": each.field, "detail": each.detail} for each in problem.errors]
    response = jsonify(body)
    response.status_code = problem.status
    response.content_type = "application/problem+json"
    response.headers.update(problem.headers)
    return response


def _answer_http(error: HTTPException) -> Response:
    response = _answer(Problem(error.code or 500, error.description or error.name))
    for name, value in error.get_headers(request.environ):
        if name in {"Allow", "Retry-After", "WWW-Authenticate"}:
            response.headers[name] = value
    return response


def _answer_later(error: MomentaryFault) -> Response:
    """An order that another release has begun, say: another process will do it, or this one later."""
    log.warning("a request can not be carried out just now", path=request.path, reason=str(error))
    detail = "That cannot be done just now; nothing was changed. Try again."
    return _answer(Problem(503, detail, headers={"Retry-After": "2"}))


def _answer_unavailable(error: Exception) -> Response:
    log.warning("the database did not answer", path=request.path, reason=redaction.explain(error))
    detail = "The database is not available; nothing was changed, or it is not known. Try again."
    return _answer(Problem(503, detail, headers={"Retry-After": "2"}))


def _answer_refused(error: IntegrityError) -> Response:
    """Without a partition for today nothing can be written, until a worker has made one."""
    return _answer_unavailable(error) if lacks_partition(error) else _answer_unexpected(error)


def _answer_unexpected(error: Exception) -> Response:
    log.error("request failed", path=request.path, exc_info=error)
    return _answer(Problem(500, "Something went wrong on our side."))


def _path(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.lstrip(".") or "body"
