"""What is known of a running system: plain values, a dataclass for each source that was asked.

A source that does not answer is a fact too: a `Silence` stands in its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from connect.facts import Facts as RelayFacts
from runtime import redaction


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the stack gives its parts, where that is said above this room; settings by name."""

    postgres: Mapping[str, str]
    brokers: Mapping[str, str]
    postgres_major: int
    java_major: int
    free_mb_min: int


@dataclass(frozen=True, slots=True)
class Silence:
    """A source that could not be asked, or did not answer as it must."""

    source: str
    why: str

    @classmethod
    def after(cls, source: str, error: BaseException) -> "Silence":
        """What asking it failed with, in a line."""
        return cls(source, redaction.explain(error).splitlines()[0])


class Grant(NamedTuple):
    """One right of a role, beside an owner's; with `column`, on that column alone."""

    role: str
    privilege: str
    object: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """What a role may do anywhere; `groups` are the roles whose rights it has too."""

    is_superuser: bool = False
    may_replicate: bool = False
    may_make_roles: bool = False
    may_make_databases: bool = False
    passes_row_security: bool = False
    groups: frozenset[str] = frozenset()


class Override(NamedTuple):
    """A setting that somebody gave a role, a database (None: any), or a role in a database."""

    role: str | None
    database: str | None
    setting: str
    value: str


@dataclass(frozen=True, slots=True)
class Server:
    """The Postgres cluster; `version` is such as 180006, the clock's seconds are before this machine's."""

    version: int
    settings: Mapping[str, str]
    pending: frozenset[str]  # settings that wait for a restart
    slot_keep_mb: int  # -1: as much as it takes
    foreign_slots: int
    roles: Mapping[str, Role]
    overrides: tuple[Override, ...]
    clock_ahead: float


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication sends; `narrowed` are tables of which it leaves out rows or columns."""

    tables: frozenset[str]
    kinds: frozenset[str]
    is_by_root: bool
    narrowed: frozenset[str] = frozenset()


class Oddity(NamedTuple):
    """Something on a table that no migration puts there: a trigger, say, by its name."""

    table: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Database:
    """One service's database. `owned` are objects that belong to somebody else than the migrator."""

    grants: frozenset[Grant]
    owned: Mapping[str, str]
    tables: frozenset[str]
    publication: Publication | None
    oddities: frozenset[Oddity]
    days: Mapping[str, frozenset[date]]
    today: date


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker; the version is as fine as its protocol tells, such as (4, 3).

    `sources` are Kafka's own words for where a setting comes from, such as DYNAMIC_BROKER_CONFIG.
    """

    version: tuple[int, ...]
    settings: Mapping[str, str]
    sources: Mapping[str, str] = field(default_factory=dict)


class Partition(NamedTuple):
    """One partition of any topic; the leader is None where there is none."""

    topic: str
    number: int
    leader: int | None
    replicas: int
    in_sync: int


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group; a partition that two members have stands in `assigned` twice."""

    state: str
    assigned: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Transactions:
    """Transactional ids that brokers know; `open_too_long` are those with a transaction past its time-out."""

    known: frozenset[str]
    open_too_long: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cluster:
    """The brokers that the others have not given up, and what they keep."""

    brokers: Mapping[int, Broker | Silence]
    features: Mapping[str, int]
    partitions: tuple[Partition, ...]
    internal: Mapping[str, Mapping[str, str]]  # the settings of Kafka's own topics, those that are there
    groups: Mapping[str, Group]
    transactions: Transactions | Silence


@dataclass(frozen=True, slots=True)
class Worker:
    """A Connect worker: versions of plugins by class, and what it refuses, by connector and key."""

    plugins: Mapping[str, str]
    refusals: Mapping[str, Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Program:
    """A JVM as it was started: its Java, and the file names of its class path."""

    java_major: int
    jars: frozenset[str]


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine: JVMs by set of jars and name, free disk by folder, packages by name."""

    programs: Mapping[tuple[str, str], Program]
    free_mb: Mapping[str, int]
    packages: Mapping[str, str]
    silences: tuple[Silence, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is examined. Databases and revisions are by room, workers by URL, clocks by broker."""

    relays: RelayFacts | Silence
    server: Server | Silence
    databases: Mapping[str, Database | Silence]
    revisions: Mapping[str, str | Silence]  # empty: was never migrated
    cluster: Cluster | Silence
    clocks: Mapping[int, float] | Silence  # a broker's, in seconds before this machine's
    workers: Mapping[str, Worker | Silence]
    machine: Machine

    def silences(self) -> tuple[Silence, ...]:
        """Every source that did not answer."""
        parts: tuple[object, ...] = (
            *(self.relays, self.server, self.cluster, self.clocks),
            *(*self.databases.values(), *self.revisions.values(), *self.workers.values()),
            *self.machine.silences,
        )
        if isinstance(self.cluster, Cluster):
            parts += (*self.cluster.brokers.values(), self.cluster.transactions)
        return tuple(part for part in parts if isinstance(part, Silence))
