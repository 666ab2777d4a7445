"""The Postgres server and its roles: whether what it has told is kept, and who may undo that."""

from collections.abc import Iterator

from connect.doctor import Finding, Severity
from contracts.services import AUDIT, SERVICES
from doctor.facts import Facts, Override, Role, Server, Wanted
from migrations.bootstrap import roles

RESTART = "./run down; ./run up"
MAJOR = 10_000  # server_version_num of version 1
# A relay that is started anew asks for a sender while its old one is still there.
SENDERS_EACH = 2

# What the promise rests on; other settings are for speed.
WHY = {
    "fsync": "a crash of the machine loses what was committed, or all of the database",
    "full_page_writes": "a page that is half written at a crash cannot be mended",
    "synchronous_commit": "an order that was answered with 201 may be gone after a crash, and its event",
    "wal_level": "only logical WAL tells rows: no relay can begin to read",
    "idle_replication_slot_timeout": "an outage of Connect for that long costs every slot, and so events",
    "wal_sender_timeout": "a relay that is frozen holds its slot, and no other may take over, for that long",
    "password_encryption": "passwords that are set from now on are kept in a form that can be broken",
}
_ALARMS = frozenset({"fsync", "full_page_writes", "synchronous_commit", "wal_level"})
# With one server these all wait for its own disk.
_ALSO_GOOD = {"synchronous_commit": frozenset({"on", "local", "remote_write", "remote_apply"})}


def examine(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """What is wrong with the server and with its roles, whatever the database."""
    if isinstance(server := facts.server, Server):
        yield from _version(server, wanted)
        yield from _settings(server, wanted)
        yield from _room_for_relays(server)
        yield from _roles(server)
        yield from _overrides(server, wanted)


def _version(server: Server, wanted: Wanted) -> Iterator[Finding]:
    major = server.version // MAJOR
    if major != wanted.postgres_major:
        severity = Severity.ALARM if major < wanted.postgres_major else Severity.WARNING
        told = f"it is PostgreSQL {major}, and all was tested with {wanted.postgres_major}"
        why = "an older one has no uuidv7() and no failover slots; how a newer one decodes WAL was not tried"
        yield Finding(severity, "postgres", told, why, RESTART)


def _settings(server: Server, wanted: Wanted) -> Iterator[Finding]:
    for name, why in WHY.items():
        value, right = server.settings.get(name), wanted.postgres[name]
        if value not in _ALSO_GOOD.get(name, {right}):
            severity = Severity.ALARM if name in _ALARMS else Severity.WARNING
            yield Finding(severity, "postgres", f"{name} is {value}, not {right}", why, RESTART)
        if name in server.pending:
            told = f"{name} was set to something else, from the next start on"
            remedy = f"psql -c 'ALTER SYSTEM RESET {name}'"
            yield Finding(Severity.WARNING, "postgres", told, why, remedy)


def _room_for_relays(server: Server) -> Iterator[Finding]:
    if server.slot_keep_mb < 0:
        why = "a relay that stays away holds back WAL until the disk is full, and the database stops"
        told = "max_slot_wal_keep_size has no bound"
        yield Finding(Severity.WARNING, "postgres", told, why, RESTART)
    for name in ("max_replication_slots", "max_wal_senders"):
        limit = int(server.settings.get(name, 0))
        needed = server.foreign_slots + len(SERVICES) * SENDERS_EACH
        if limit < needed:
            severity = Severity.ALARM if limit < len(SERVICES) else Severity.WARNING
            told = f"{name} is {limit}, and {needed} may be needed at once"
            why = "a relay that gets neither slot nor sender reads nothing"
            yield Finding(severity, "postgres", told, why, RESTART)


def _roles(server: Server) -> Iterator[Finding]:
    for name, attributes in roles():
        role = server.roles.get(name)
        if role is None:
            why = "whoever works under it cannot connect"
            yield Finding(Severity.ALARM, name, "the role is not there", why, RESTART)
        else:
            yield from _role(name, role, must_replicate="REPLICATION" in attributes)
    known = {name for name, _ in roles()}
    for name, role in server.roles.items():
        if name not in known and role.may_replicate and not role.is_superuser:
            why = "it may read every row of every database out of the WAL, and use up slots"
            remedy = f"psql -c 'ALTER ROLE {name} NOREPLICATION'"
            yield Finding(Severity.WARNING, name, "a role that is not ours may replicate", why, remedy)


def _role(name: str, role: Role, *, must_replicate: bool) -> Iterator[Finding]:
    too_much = {
        "SUPERUSER": role.is_superuser,
        "CREATEROLE": role.may_make_roles,
        "CREATEDB": role.may_make_databases,
        "BYPASSRLS": role.passes_row_security,
        "REPLICATION": role.may_replicate and not must_replicate,
    }
    for attribute, has in too_much.items():
        if has:
            why = "no right that was kept from it holds: it may change events, or read all of them"
            remedy = f"psql -c 'ALTER ROLE {name} NO{attribute}'"
            yield Finding(Severity.ALARM, name, f"the role has {attribute}", why, remedy)
    if must_replicate and not role.may_replicate:
        why = "its relay cannot read from the slot"
        remedy = f"psql -c 'ALTER ROLE {name} REPLICATION'"
        yield Finding(Severity.ALARM, name, "the role lacks REPLICATION", why, remedy)
    for group in sorted(role.groups):
        why = "it has all rights of that one too, and no migration says so"
        remedy = f"psql -c 'REVOKE {group} FROM {name}'"
        yield Finding(Severity.ALARM, name, f"the role is a member of {group}", why, remedy)


def _overrides(server: Server, wanted: Wanted) -> Iterator[Finding]:
    ours = {name for name, _ in roles()}
    databases = {owner.database for owner in (*SERVICES, AUDIT)}
    for each in server.overrides:
        if each.role in ours | {None} and each.database in databases | {None}:
            yield _override(each, wanted)


def _override(each: Override, wanted: Wanted) -> Finding:
    name = each.setting
    right = _ALSO_GOOD.get(name, {wanted.postgres.get(name)})
    is_bad = name in _ALARMS and each.value not in right
    everybodys = f"DATABASE {each.database}" if each.database else "ROLE ALL"
    whom = f"ROLE {each.role}" if each.role else everybodys
    where = f" IN DATABASE {each.database}" if each.role and each.database else ""
    return Finding(
        Severity.ALARM if is_bad else Severity.WARNING,
        each.role or each.database or "postgres",
        f"{name} is set to {each.value} for it, past the server's own settings",
        WHY.get(name, "no migration sets it, and no test was run with it"),
        f"psql -c 'ALTER {whom}{where} RESET {name}'",
    )
