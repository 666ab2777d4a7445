"""What can go wrong in any process, by consequence.

NeverlostError
  · SettingsError     the process must not start: its settings are wrong
  · WaitedTooLong     a bounded wait ended without its condition
"""

from collections.abc import Mapping
from typing import Any


class NeverlostError(Exception):
    """The root of every error that is ours."""


class SettingsError(NeverlostError):
    """The process must not start: its settings are wrong. `asked` is what it was asked for, by name."""

    def __init__(self, problems: str, asked: Mapping[str, Any] | None = None) -> None:
        super().__init__(problems)
        self.asked = dict(asked or {})


class WaitedTooLong(NeverlostError):  # noqa: N818 - it says what happened
    """A bounded wait ended without its condition."""
