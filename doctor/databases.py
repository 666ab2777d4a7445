"""One service's database: who may touch events, what is published, where tomorrow's rows go."""

import re
from collections.abc import Iterator
from datetime import timedelta

from connect.doctor import Finding, Severity
from contracts.services import SERVICE, Service
from doctor import histories
from doctor.facts import Database, Facts, Grant, Oddity, Publication, Silence, Wanted
from messaging.partitions import DAYS_AHEAD
from migrations.database import OWNERS

MIGRATE = "./run down; ./run up"
# In these an event stands, or that it was handled.
EVENTS = frozenset({"outbox", "outbox_replay", "inbox"})
# Days are made once an hour, so the last one may be missing for that long, and for as long as nobody worked.
DAYS_SPARE = 2

_WHY_ODD = {
    "trigger": "it may change or drop an event as it is written",
    "rule": "it may turn a write of an event into something else",
    "replica identity": "the publication sends inserts alone; whoever set it meant to send more",
    "unlogged": "its rows are in no WAL: no relay sees them, and a crash empties it",
    "row security": "rows may be hidden from whoever must see them",
}
_UNDO = {
    "trigger": "DROP TRIGGER {0.name} ON {0.table}",
    "rule": "DROP RULE {0.name} ON {0.table}",
    "replica identity": "ALTER TABLE {0.table} REPLICA IDENTITY DEFAULT",
    "unlogged": "ALTER TABLE {0.table} SET LOGGED",
    "row security": "ALTER TABLE {0.table} DISABLE ROW LEVEL SECURITY",
}


def examine(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """What is wrong with any of the databases."""
    for name, database in facts.databases.items():
        if isinstance(database, Database):
            service = SERVICE[name]
            yield from _surplus(service, database)
            yield from _missing(service, database)
            yield from _owners(service, database)
            yield from _publication(service, database.publication)
            yield from (_oddity(service, each) for each in sorted(database.oddities))
            yield from _days(service, database)
    for room, revision in facts.revisions.items():
        if not isinstance(revision, Silence):
            yield from _history(room, revision)


def _surplus(service: Service, database: Database) -> Iterator[Finding]:
    wanted = histories.grants(service)
    for each in sorted(database.grants - wanted, key=str):
        if each._replace(object=histories.EVERY_TABLE) not in wanted:
            is_event = _table(each.object) in EVENTS and each.privilege != "SELECT"
            is_ddl = each.privilege == "CREATE"
            why = "an event that was written could be changed, taken away or made up, and no relay would tell"
            if is_ddl:
                why = "it could put another table in the way of the one that events are written to"
            elif not is_event:
                why = "no migration grants it, and what a role must not do holds no longer"
            severity = Severity.ALARM if is_event or is_ddl else Severity.WARNING
            told = f"{each.role} has {_words(each, service)}"
            yield Finding(severity, service.database, told, why, _psql(service, "REVOKE", each))


def _missing(service: Service, database: Database) -> Iterator[Finding]:
    for each in sorted(_expected(service, database) - database.grants, key=str):
        told, why = f"{each.role} lacks {_words(each, service)}", "what it has to do fails"
        yield Finding(Severity.ALARM, service.database, told, why, _psql(service, "GRANT", each))


def _expected(service: Service, database: Database) -> frozenset[Grant]:
    """With a grant on every table written out; days are reached through their table."""
    tables = {name for name in database.tables if _table(name) == name}
    return frozenset(
        each._replace(object=name)
        for each in histories.grants(service)
        for name in (tables if each.object == histories.EVERY_TABLE else {each.object})
    )


def _table(name: str) -> str:
    """The table that a day of it belongs to."""
    return re.sub(r"_p\d{8}$", "", name)


def _words(each: Grant, service: Service) -> str:
    column = f" ({each.column})" if each.column else ""
    return f"{each.privilege}{column} on {_place(each, service).lower()}"


def _place(each: Grant, service: Service) -> str:
    return {"SCHEMA": "SCHEMA public", "DATABASE": f"DATABASE {service.database}"}.get(
        each.object, each.object
    )


def _psql(service: Service, verb: str, each: Grant) -> str:
    column = f" ({each.column})" if each.column else ""
    preposition = "FROM" if verb == "REVOKE" else "TO"
    place = f"FUNCTION {each.object}" if each.privilege == "EXECUTE" else _place(each, service)
    statement = f"{verb} {each.privilege}{column} ON {place} {preposition} {each.role}"
    return f"psql -d {service.database} -c '{statement}'"


def _owners(service: Service, database: Database) -> Iterator[Finding]:
    for name, owner in sorted(database.owned.items()):
        migrator = service.role("migrator")
        why = "an owner may do anything with it, whatever was granted"
        kind = "FUNCTION" if "(" in name else "TABLE"
        remedy = f"psql -d {service.database} -c 'ALTER {kind} {name} OWNER TO {migrator}'"
        told = f"{name} belongs to {owner}, not to {migrator}"
        yield Finding(Severity.ALARM, service.database, told, why, remedy)


def _publication(service: Service, found: Publication | None) -> Iterator[Finding]:
    wanted, name = histories.publication(service.name), service.publication
    alter = f'psql -d {service.database} -c "ALTER PUBLICATION {name}'
    if found is None:
        why = "the relay reads through it, and stands still"
        yield Finding(Severity.ALARM, service.connector, f"publication {name} is not there", why, MIGRATE)
        return
    if more := sorted(found.tables - wanted.tables):
        why = "their rows leave the database, and a relay that gets what it does not know of may stop"
        told = f"publication {name} holds {', '.join(more)} besides"
        remedy = f'{alter} DROP TABLE {", ".join(more)}"'
        yield Finding(Severity.ALARM, service.connector, told, why, remedy)
    if found.kinds != wanted.kinds:
        told = f"publication {name} sends {', '.join(sorted(found.kinds)) or 'nothing'}, not inserts alone"
        why = "only an insert is an event; whatever else comes fails the relay"
        remedy = f"{alter} SET (publish = '{', '.join(sorted(wanted.kinds))}')\""
        yield Finding(Severity.ALARM, service.connector, told, why, remedy)
    if not found.is_by_root:
        told = f"publication {name} tells days, not the tables that they are of"
        why = "the relay takes rows of outbox, and none of outbox_p20260101: all are passed over"
        remedy = f'{alter} SET (publish_via_partition_root = true)"'
        yield Finding(Severity.ALARM, service.connector, told, why, remedy)
    for table in sorted(found.narrowed):
        told = f"publication {name} leaves out rows or columns of {table}"
        why = "what it leaves out never reaches Kafka, and nobody is told"
        remedy = f'{alter} SET TABLE {", ".join(sorted(wanted.tables))}"'
        yield Finding(Severity.ALARM, service.connector, told, why, remedy)


def _oddity(service: Service, each: Oddity) -> Finding:
    told = f"{each.table}: {each.kind} {each.name}, that no migration puts there"
    remedy = f"psql -d {service.database} -c '{_UNDO[each.kind].format(each)}'"
    return Finding(Severity.ALARM, service.database, told, _WHY_ODD[each.kind], remedy)


def _days(service: Service, database: Database) -> Iterator[Finding]:
    ahead = [database.today + timedelta(days) for days in range(DAYS_AHEAD - DAYS_SPARE + 1)]
    for parent in ("outbox", "inbox"):
        missing = [day for day in ahead if day not in database.days.get(parent, frozenset())]
        if missing:
            is_near = missing[0] <= ahead[1]
            told = f"{parent} has no place for rows of {', '.join(day.isoformat() for day in missing)}"
            why = f"each row written on that day is refused; {service.name}-worker makes the days ahead"
            remedy = f"psql -d {service.database} -c 'SELECT make_partitions({DAYS_AHEAD})'"
            severity = Severity.ALARM if is_near else Severity.WARNING
            yield Finding(severity, service.database, told, why, remedy)


def _history(room: str, revision: str) -> Iterator[Finding]:
    known, database = histories.revisions(room), OWNERS[room].database
    if revision == known[-1]:
        return
    if revision and revision not in known:
        told = f"it stands at revision {revision}, which this code does not know: it is newer"
        why, remedy = "code that is older than its tables writes what they may refuse", "git pull; ./run up"
    else:
        told = f"it stands at revision {revision or 'none'}, and the code's is {known[-1]}"
        why, remedy = "code that is newer than its tables asks for what is not there", MIGRATE
    yield Finding(Severity.ALARM, database, told, why, remedy)
