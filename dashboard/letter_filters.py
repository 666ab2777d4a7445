"""Which dead letters are meant, as it stands in the address of their page and in forms. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.services import SERVICE
from messaging.letters import Wanted
from runtime.errors import NeverlostError

TEXT_MAX = 200
_AGE = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class WrongFilter(NeverlostError):  # noqa: N818 - it says what it is
    """What was typed is no filter; the message says which."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The fields as they were typed; one that is empty lets all through."""

    service: str = ""
    key: str = ""
    id: str = ""
    type: str = ""
    reason: str = ""
    older: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Filter":
        """Raises WrongFilter."""
        found = cls(**{name: given.get(name, "").strip()[:TEXT_MAX] for name in cls.__dataclass_fields__})
        if "\0" in "".join(found.as_query().values()):
            raise WrongFilter("No key, type or reason has a NUL in it.")
        if found.service and found.service not in SERVICE:
            raise WrongFilter(f"There is no service {found.service!r}.")
        if found.id and not (found.id.isdecimal() and found.service and len(found.id) < 19):
            raise WrongFilter("An id is a number, and counts in each service: name the service with it.")
        if found.older and not _AGE.fullmatch(found.older):
            raise WrongFilter(f"{found.older!r} is no age: say 30s, 10m, 2h or 1d.")
        return found

    @property
    def services(self) -> tuple[str, ...]:
        return (self.service,) if self.service else tuple(SERVICE)

    @property
    def wanted(self) -> Wanted:
        age = _AGE.fullmatch(self.older)
        return Wanted(
            key=self.key or None,
            id=int(self.id) if self.id else None,
            type=self.type or None,
            reason=self.reason or None,
            older_than=float(int(age[1]) * _SECONDS[age[2]]) if age else None,
        )

    def as_query(self) -> dict[str, str]:
        return {name: value for name in self.__dataclass_fields__ if (value := getattr(self, name))}

    def __str__(self) -> str:
        """For the log of actions."""
        return ", ".join(f"{name} {value}" for name, value in self.as_query().items()) or "everything"
