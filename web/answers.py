"""An answer as a value, so that it can be kept and given again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from flask import Response


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with. `replayed`: it is the answer to an earlier one."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    replayed: bool = False

    def saying(self, **changes: Any) -> Self:
        """The same, with more headers and, where given, another body."""
        headers = {**self.headers, **changes.pop("headers", {})}
        return replace(self, headers=headers, **changes)

    def response(self) -> Response:
        text = json.dumps(self.body, separators=(",", ":")) + "\n"
        return Response(text, self.status, dict(self.headers), mimetype="application/json")
