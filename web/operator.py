"""Writes that only an operator may do: a bearer token, compared in constant time."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import current_app, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from web.operations import Header, Trait

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

TOKEN_KEY = "OPERATOR_TOKEN"  # noqa: S105 - the name of a setting

OPERATOR = Trait(
    problems={401: "The operator's bearer token is missing or wrong."},
    answers=(Header("WWW-Authenticate", "How to authenticate.", on=(401,)),),
    operator=True,
)


def operator_only(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Refuse with 401 unless the request carries the operator's token."""

    @wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        given = request.authorization
        token = (given.token or "") if given is not None and given.type == "bearer" else ""
        if not token or not hmac.compare_digest(token.encode(), current_app.config[TOKEN_KEY].encode()):
            raise Unauthorized(
                "This needs the operator's bearer token.", www_authenticate=WWWAuthenticate("bearer")
            )
        return view(*args, **kwargs)

    return guarded
