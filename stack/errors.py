"""What can go wrong with the stack, by exit code.

StackError               1  the answer is bad
  · NotReady             3  not running, or a piece is missing
"""

from runtime.errors import NeverlostError


class StackError(NeverlostError):
    """The stack did not do what it was asked to."""

    exit_code = 1


class NotReady(StackError):  # noqa: N818 - it says what is the matter
    """The stack is not running, or a piece that it needs is missing; the text says how to get it."""

    exit_code = 3
