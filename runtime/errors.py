"""What can go wrong in any process, by consequence.

NeverlostError
  · SettingsError     the process must not start: its settings are wrong
  · WaitedTooLong     a bounded wait ended without its condition
"""


class NeverlostError(Exception):
    """The root of every error that is ours."""


class SettingsError(NeverlostError):
    """The process must not start: its settings are wrong."""


class WaitedTooLong(NeverlostError):  # noqa: N818 - it says what happened
    """A bounded wait ended without its condition."""
