"""Who may act: the operator, by the token, for a working day; everybody else only looks.

The session is a signed cookie; its key is made anew with each process, so sessions end with it. Pages of
other ports of this host count as the same site, so SameSite alone would not keep their forms out: every
POST carries a token of the session.
"""

import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, abort, request, session
from werkzeug.exceptions import Forbidden, TooManyRequests

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

SESSION_SECONDS = 8 * 3600
WRONG_MAX = 5
WRONG_ALL_MAX = 30
WRONG_SECONDS = 60.0
ADDRESSES_MAX = 1000
CSRF = "csrf_token"


class Attempts:
    """How often a wrong token was given of late, by address and by all; bounded in size.

    One thread at a time may ask or tell.
    """

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=WRONG_ALL_MAX)

    def may_try(self, address: str, now: float) -> bool:
        of_one = [at for at in self._wrong.get(address, ()) if now - at < WRONG_SECONDS]
        of_all = [at for at in self._all if now - at < WRONG_SECONDS]
        return len(of_one) < WRONG_MAX and len(of_all) < WRONG_ALL_MAX

    def note_wrong(self, address: str, now: float) -> None:
        self._wrong.setdefault(address, deque(maxlen=WRONG_MAX)).append(now)
        self._wrong.move_to_end(address)
        self._all.append(now)
        while len(self._wrong) > ADDRESSES_MAX:
            self._wrong.popitem(last=False)


class Guard:
    """Signs operators in, and knows them again."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._attempts = Attempts()
        self._turn = threading.Lock()

    def sign_in(self, token: str, name: str) -> bool:
        """Whether the token is right. Raises TooManyRequests (429) after too many that were not."""
        address, now = request.remote_addr or "", time.monotonic()
        with self._turn:  # of those who come at once, each must know of the ones before
            if not self._attempts.may_try(address, now):
                raise TooManyRequests(
                    "Too many wrong tokens: wait a minute, then try again.", retry_after=int(WRONG_SECONDS)
                )
            if not hmac.compare_digest(token.encode(), self._token):
                self._attempts.note_wrong(address, now)
                return False
        session.clear()
        session.update(operator=name, until=time.time() + SESSION_SECONDS)
        return True


def protect(app: Flask) -> None:
    """Session cookie, and the check of every POST."""
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME="neverlost",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
    )
    app.before_request(_refuse_forged)


def operator() -> str | None:
    """The name under which somebody has signed in; None for who only looks."""
    name: str | None = session.get("operator")
    return name if name and session.get("until", 0) > time.time() else None


def csrf_token() -> str:
    """The session's token, for a form."""
    if CSRF not in session:
        session[CSRF] = secrets.token_urlsafe(32)
    token: str = session[CSRF]
    return token


def operator_only(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Refuse with 403 whoever has not signed in."""

    @wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        if operator() is None:
            raise Forbidden("Only the operator may do this. You can look at everything without signing in.")
        return view(*args, **kwargs)

    return guarded


def _refuse_forged() -> None:
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    given, wanted = request.form.get(CSRF, ""), session.get(CSRF, "")
    if not wanted or not hmac.compare_digest(given.encode(), wanted.encode()):
        abort(
            400, "This form is out of date, or not from this page. Go back, reload the page, and try again."
        )
