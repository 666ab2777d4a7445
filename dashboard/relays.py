"""The relays as their page shows them: what Connect, file, slot and supervisor say of each. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connect.configurations import configuration
from connect.doctor import drift
from connect.health import ConnectorStatus
from contracts.services import SERVICES
from dashboard.pipeline import connector_tone
from dashboard.sentences import Sentence, Tone
from doctor.facts import Silence
from monitor.readings import Database, Readings, Slot

_SECRET = re.compile(r"pass(word|phrase)|secret|token|credential|\.key$|jaas", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{\w+:[^}]*\}")
WITHHELD = "[withheld]"


@dataclass(frozen=True, slots=True)
class Relay:
    """One connector. `config` is None where Connect has none; `slot` where there is none, or nobody tells."""

    service: str
    name: str
    status: ConnectorStatus | None
    config: Mapping[str, str] | None
    drifted: Mapping[str, str] = field(default_factory=dict)
    slot: Slot | None = None
    is_slot_known: bool = True
    restarts: int | None = None

    @property
    def tone(self) -> Tone:
        return connector_tone(self.status) if self.status else Tone.BAD

    @property
    def can_restart_failed(self) -> bool:
        return self.status is not None and "FAILED" in {
            self.status.state,
            *(t.state for t in self.status.tasks),
        }


def relays(
    statuses: Mapping[str, ConnectorStatus],
    configs: Mapping[str, Mapping[str, str]],
    readings: Readings | None,
    restarts: Mapping[str, float],
) -> list[Relay]:
    """One for each service, registered or not."""
    databases = readings.databases if readings else {}
    return [
        Relay(
            service=service.name,
            name=service.connector,
            status=statuses.get(service.connector),
            restarts=round(restarts[service.connector]) if service.connector in restarts else None,
            **_of_config(service.connector, configs.get(service.connector)),
            **_of_slot(databases.get(service.name)),
        )
        for service in SERVICES
    ]


def _of_config(name: str, config: Mapping[str, str] | None) -> dict[str, Any]:
    if not config:
        return {"config": None}
    seen = {key: shown(key, value) for key, value in sorted(config.items())}
    return {"config": seen, "drifted": _drifted(name, config)}


def _of_slot(database: Database | Silence | None) -> dict[str, Any]:
    if not isinstance(database, Database):
        return {"slot": None, "is_slot_known": False}
    return {"slot": database.slot}


def shown(key: str, value: str) -> str:
    """A value as everybody may see it: what may be secret, and is no mere reference to it, is withheld."""
    return WITHHELD if _SECRET.search(key) and not _REFERENCE.fullmatch(value) else value


def _drifted(name: str, config: Mapping[str, str]) -> dict[str, str]:
    return {
        key: WITHHELD if _SECRET.search(key) else told
        for key, told in drift(config, configuration(name)).items()
    }


def verdict(found: list[Relay], away: str | None, workers: Mapping[str, bool]) -> Sentence:
    """The relays in one sentence: the worst of what there is to say."""
    if away:
        return Sentence(f"Kafka Connect is away, so no relay can be asked: {away}", Tone.BAD)
    good = Sentence("Every relay runs, as its file says.", Tone.GOOD)
    return next(_problems(found, workers), good)


def _problems(found: list[Relay], workers: Mapping[str, bool]) -> Iterator[Sentence]:
    if failed := [each.name for each in found if each.tone is Tone.BAD]:
        yield Sentence(f"{_names(failed)} not relay: see below why.", Tone.BAD)
    if held := [each.name for each in found if each.status and each.status.is_held]:
        yield Sentence(f"{_names(held)} not relay, as a person wished.", Tone.WARNING)
    if slow := [each.name for each in found if each.tone is not Tone.GOOD]:
        yield Sentence(f"{_names(slow)} not relay yet.", Tone.WARNING)
    if silent := [url for url, answers in workers.items() if not answers]:
        yield Sentence(f"Every relay runs; the worker {', '.join(silent)} does not answer.", Tone.WARNING)
    if drifted := [each.name for each in found if each.drifted]:
        yield Sentence(f"Every relay runs; {' and '.join(drifted)} not as the file says.", Tone.WARNING)


def _names(names: list[str]) -> str:
    return f"{' and '.join(names)} {'do' if len(names) > 1 else 'does'}"
