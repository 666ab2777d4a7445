"""What a service tells of its sagas: their definitions, and what they are about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from contracts.messages import Command, Message
from saga.definition import Definition, InvalidDefinition
from saga.state import SagaState

# Makes a step's command from what the saga is about and the epoch of the try.
MakeCommand = Callable[[Any, int], Command]


@dataclass(frozen=True, slots=True)
class Change:
    """A saga that has moved, and what it is about."""

    before: SagaState
    after: SagaState
    subject: Any


@dataclass(frozen=True)
class SagaKind:
    """The sagas of one service.

    `definitions` are all versions that may still be under way; new sagas begin on the newest. `subjects`
    reads what sagas are about, by saga id; `follow` brings the service's own rows in step with sagas that
    have moved, and answers with what is to be told. Both run in the transaction of the saga's move.
    """

    service: str
    definitions: tuple[Definition, ...]
    commands: Mapping[type[Command], MakeCommand]
    subjects: Callable[[Connection, Sequence[UUID]], Mapping[UUID, Any]]
    follow: Callable[[Connection, Sequence[Change]], list[Message]]

    def __post_init__(self) -> None:
        for definition in self.definitions:
            for step in definition.by_name.values():
                for side in (step, step.undo):
                    if side is not None and side.command not in self.commands:
                        raise InvalidDefinition(f"nothing makes the command {side.command.type}")

    @cached_property
    def newest(self) -> Definition:
        return max(self.definitions, key=lambda definition: definition.version)

    @cached_property
    def by_version(self) -> dict[tuple[int, str], Definition]:
        """The definitions by version and fingerprint: only the very same table is the same version."""
        return {(each.version, each.fingerprint): each for each in self.definitions}
