"""Lists, a page at a time: the cursor is the last id of the page before, newest first."""

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from web.problems import Problem, unprocessable
from web.validation import RequestModel, is_sku


class PageQuery(RequestModel):
    """How much, and from where."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None

    def after(self) -> str | None:
        """The key that the page comes after; 422 for a cursor that is not one of ours."""
        if self.cursor is None:
            return None
        try:
            return base64.b64decode(self.cursor, altchars=b"-_", validate=True).decode("ascii")
        except ValueError:
            raise _not_ours() from None

    def after_sku(self) -> str | None:
        """The same, for lists whose key is a sku."""
        key = self.after()
        if key is not None and not is_sku(key):
            raise _not_ours()
        return key

    def after_id(self) -> UUID | None:
        """The same, for lists whose key is an id."""
        key = self.after()
        try:
            return UUID(key) if key is not None else None
        except ValueError:
            raise _not_ours() from None


def page(name: str, rows: Sequence[Mapping[str, Any]], *, limit: int, key: str) -> dict[str, Any]:
    """`{name: rows, next_cursor}`; ask for one row more than `limit` to know whether more follow."""
    shown = list(rows[:limit])
    more = len(rows) > limit
    cursor = base64.urlsafe_b64encode(str(shown[-1][key]).encode()).decode() if more else None
    return {name: shown, "next_cursor": cursor}


def _not_ours() -> Problem:
    return unprocessable("cursor", "is not a cursor of this list")
