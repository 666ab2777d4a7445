"""What the migrations make, told by themselves: rights, publications, revisions. Nothing is run."""

import re
from functools import cache
from io import StringIO

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from contracts.services import Service
from doctor.facts import Grant, Publication
from migrations.__main__ import ROOT
from migrations.bootstrap import reach

# In place of an object: every table, those that are still to be made too.
EVERY_TABLE = "*"

_GRANT = re.compile(r"\bGRANT\s+([^;]+?)\s+ON\s+([^;]+?)\s+TO\s+(\w+)")
_PRIVILEGE = re.compile(r"(\w+)(?:\s*\(([^)]*)\))?")
_PUBLICATION = re.compile(r"CREATE PUBLICATION \w+ FOR TABLE ([\w, ]+?)\s+WITH \(([^)]*)\)")


def revisions(room: str) -> tuple[str, ...]:
    """The revisions of a room's history, the first one first."""
    found = [each.revision for each in _scripts(room).walk_revisions()]
    return tuple(reversed(found))


def grants(service: Service) -> frozenset[Grant]:
    """All that roles may do in a service's database; EVERY_TABLE stands for any table.

    Without what the migrator may do with the database itself, which is its own.
    """
    owner = service.role("migrator")
    reached = {
        Grant(role, privilege, what)
        for privilege, what, names in reach(service)
        for role in names
        if (what, role) != ("DATABASE", owner)
    }
    return frozenset(reached) | _granted(service.name)


@cache
def publication(room: str) -> Publication:
    """What the publication of a service's history sends."""
    [(tables, options)] = _PUBLICATION.findall(statements(room))
    kinds = re.findall(r"publish = '([^']*)'", options)[0]
    return Publication(_names(tables), _names(kinds), "publish_via_partition_root = true" in options)


@cache
def statements(room: str) -> str:
    """All the SQL of a history, from nothing to its head."""
    written = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    with Operations.context(context):
        for each in reversed(list(_scripts(room).walk_revisions())):
            each.module.upgrade()
    return written.getvalue()


@cache
def _granted(room: str) -> frozenset[Grant]:
    found = set()
    for privileges, objects, role in _GRANT.findall(statements(room)):
        for privilege, columns in _PRIVILEGE.findall(privileges):
            for name in _objects(objects):
                found |= {Grant(role, privilege, name, column) for column in _names(columns) or (None,)}
    return frozenset(found)


def _objects(text: str) -> frozenset[str]:
    """`TABLES` are those of ALTER DEFAULT PRIVILEGES."""
    if text == "TABLES" or text.startswith("ALL TABLES"):
        return frozenset({EVERY_TABLE})
    return _names(re.sub(r"\([^)]*\)", "", text.removeprefix("FUNCTION ")))


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _scripts(room: str) -> ScriptDirectory:
    return ScriptDirectory.from_config(Config(ROOT / "alembic.ini", ini_section=room))
