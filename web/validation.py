"""From a request to checked values, or to a problem."""

import re
from typing import Annotated, TypeVar
from uuid import UUID

from flask import request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from web.problems import Problem, not_found

BODY_BYTES_MAX = 64 * 1024

_SKU = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Sku = Annotated[str, StringConstraints(pattern=_SKU)]
Quantity = Annotated[int, Field(ge=1, le=1000, strict=True)]


class RequestModel(BaseModel):
    """A body or query in which an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=RequestModel)


def read_body(model: type[Model]) -> Model:
    """The JSON body as `model`. 415 for another content type, 400 for no JSON, 422 for wrong fields."""
    if not request.is_json:
        raise Problem(415, "The body must be application/json.")
    body = request.get_data()
    if request.content_length is None and len(body) >= BODY_BYTES_MAX:
        raise Problem(413, f"The body is larger than {BODY_BYTES_MAX} bytes.")  # it was cut there
    return model.model_validate_json(body)


def read_query(model: type[Model]) -> Model:
    """The query parameters as `model`; 422 for an unknown, repeated or wrong one."""
    values = {name: (given[0] if len(given) == 1 else given) for name, given in request.args.lists()}
    return model.model_validate(values)


def is_sku(text: str) -> bool:
    return re.fullmatch(_SKU, text) is not None


def read_sku(text: str) -> str:
    """A sku from the path; 404 where it cannot be one."""
    if not is_sku(text):
        raise not_found("sku")
    return text


def read_id(text: str, what: str) -> UUID:
    """An id from the path; 404 where it cannot be one."""
    try:
        return UUID(text)
    except ValueError:
        raise not_found(what) from None
