"""The order service's routes for operators, with the operator's token."""

from collections.abc import Iterator
from typing import Any

import requests

from runtime.errors import NeverlostError

REQUEST_SECONDS_MAX = 10
PAGE = 200


class Refused(NeverlostError):  # noqa: N818 - it says what happened
    """The order service would not do it; the message says why."""


class OrderService:
    """Who acts is said with each act, and kept in the saga's log."""

    def __init__(
        self, url: str, token: str, by: str, *, timeout_seconds: float = REQUEST_SECONDS_MAX
    ) -> None:
        self._url = url
        self._by = by
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business on 127.0.0.1
        self._session.headers["Authorization"] = f"Bearer {token}"

    def list(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Every saga that the filters let through, oldest first."""
        wanted = {name: value for name, value in filters.items() if value is not None} | {"limit": PAGE}
        while True:
            page = self._ask("GET", "/sagas", params=wanted)
            yield from page["sagas"]
            if page["next_cursor"] is None:
                return
            wanted["cursor"] = page["next_cursor"]

    def show(self, saga_id: str) -> dict[str, Any]:
        return self._ask("GET", f"/sagas/{saga_id}")

    def act(self, what: str, saga_id: str, note: str, **options: bool) -> dict[str, Any]:
        """Do what a person wants done to a saga. Raises Refused."""
        body = {"note": note, "by": self._by, **options}
        return self._ask("POST", f"/sagas/{saga_id}/{what}", json=body)

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = self._session.request(method, self._url + path, timeout=self._timeout_seconds, **options)
        answer: dict[str, Any] = response.json()
        if not response.ok:
            wrong = "; ".join(f"{each['field']}: {each['detail']}" for each in answer.get("errors", ()))
            raise Refused(wrong or answer["detail"])
        return answer
