"""The environment, read once, at a process's entry point; every problem is told in one line."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from runtime.errors import SettingsError

Number = TypeVar("Number", int, float)
Parsed = TypeVar("Parsed")

_SERVERS = "host:port, several separated by commas"
_KINDS: Mapping[type, str] = {int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable that was asked for: its form in words, and its default; None where it must be set."""

    name: str
    form: str
    default: str | None


class Environment:
    """Reads variables one by one, remembers what is wrong, and says it all in `check`.

    A value that is missing or malformed is answered with a harmless stand-in, so that reading can
    go on and the whole list of problems is known. `asked` is what it was asked for: what a process reads.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables  # noqa: TID251 - its one place
        self._problems: list[str] = []
        self.asked: dict[str, Setting] = {}

    def text(self, name: str, default: str | None = None, *, form: str = "text") -> str:
        self.asked[name] = Setting(name, form, default)
        value = self._variables.get(name) or default
        if value is None:
            self._problems.append(f"{name} is missing")
            return ""
        return value

    def url(self, name: str, *beginnings: str) -> str:
        """What begins as one of these, `http://` say, and goes on; it has no default."""
        forms = " or ".join(f"{each}…" for each in beginnings)
        value = self.text(name, form=forms)
        if value and not any(value.startswith(each) and value != each for each in beginnings):
            self._problems.append(f"{name}={value!r} is not {forms}")
        return value

    def whole(self, name: str, default: int, *, low: int = 0) -> int:
        return self._number(name, int, default, low, None)

    def rate(self, name: str, default: float = 0.0) -> float:
        """A share between 0 and 1."""
        return self._number(name, float, default, 0.0, 1.0)

    def file(self, name: str, default: str | None = None) -> str:
        """The text inside the file that the variable names: how passwords and tokens arrive."""
        path = self.text(name, default, form="the path of a file that holds it")
        try:
            text = Path(path).read_text().strip() if path else ""
        except OSError as error:
            self._problems.append(f"{name}={path!r} cannot be read ({error.strerror})")
            return ""
        if path and not text:
            self._problems.append(f"{name}={path!r} is empty")
        return text

    def texts(
        self, name: str, default: str | None = None, *, form: str = "values separated by commas"
    ) -> tuple[str, ...]:
        """Values separated by commas."""
        value = self.text(name, default, form=form)
        return tuple(part.strip() for part in value.split(",") if part.strip())

    def servers(self, name: str) -> tuple[str, ...]:
        """Where to connect to: one `host:port` or more, any of which may answer."""
        found = self.texts(name, form=_SERVERS)
        if found and not all(map(_is_place, found)):
            self._problems.append(f"{name}={','.join(found)!r} is not {_SERVERS}")
        return found

    def bind(self, name: str, default: str | None = None) -> tuple[str, int]:
        """A `host:port` to listen on."""
        value = self.text(name, default, form="host:port")
        if not _is_place(value):
            if value:
                self._problems.append(f"{name}={value!r} is not host:port")
            return "", 0
        host, _, port = value.rpartition(":")
        return host, int(port)

    def parsed(self, name: str, parse: Callable[[str], Parsed], default: str, form: str) -> Parsed:
        """The value as `parse` understands it, which raises ValueError for what is not of that form."""
        value = self.text(name, default, form=form)
        try:
            return parse(value)
        except ValueError:
            self._problems.append(f"{name}={value!r} is not {form}")
            return parse(default)

    def refuse(self, name: str, why: str) -> None:
        """Remember what is wrong with a value that only its reader understands."""
        self._problems.append(f"{name} {why}")

    def check(self) -> None:
        """Raise SettingsError with every problem seen so far, and with all that was asked for."""
        if self._problems:
            raise SettingsError("; ".join(self._problems), self.asked)

    def _number(
        self, name: str, kind: type[Number], default: Number, low: Number, high: Number | None
    ) -> Number:
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        value = self.text(name, str(default), form=f"{_KINDS[kind]}, {bounds}")
        try:
            number = kind(value)
        except ValueError:
            self._problems.append(f"{name}={value!r} is not {_KINDS[kind]}")
            return default
        if number < low or (high is not None and number > high):
            self._problems.append(f"{name}={value!r} must be {bounds}")
            return default
        return number


def _is_place(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and int(port) < 1 << 16


def instance_name(role: str) -> str:
    """Who this process is, in logs and leases: role, host and process id."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}"
