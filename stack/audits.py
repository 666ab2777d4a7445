"""`./run audit`: whether every event is where it must be, and how what is missing is sent again."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, Engine

from audit import recoveries, repair, report
from audit.repair import Missing
from audit.verdict import Verdict
from connect.losses import Recovery
from contracts.services import AUDIT, AUDITOR_ROLE, SERVICES
from runtime.database import DatabaseLimits, connect_engine
from runtime.errors import WaitedTooLong
from runtime.waiting import until
from stack.access import database_url, layout_of, who
from stack.errors import StackError
from stack.layout import Layout
from stack.options import json_option, state_option

EXIT_CODE = {Verdict.GREEN: 0, Verdict.RED: 1, Verdict.GREY: 2}
# A round that begins after we asked, and its end; the auditor may be reading a backlog.
ROUND_SECONDS_MAX = 30
WATCH_SECONDS = 1.0
# Until the auditor knows what a relay that came back has brought, and what it has not.
DECIDED_SECONDS_MAX = 120
REPAIRED_SECONDS_MAX = 90
# While a large repair copies rows in one database, its transaction in the auditor's waits.
_PATIENT = DatabaseLimits(statement_ms=300_000, idle_in_transaction_ms=600_000, whole_tables=True)


@click.group("audit", invoke_without_command=True)
@click.option("--watch", is_flag=True, help="Go on: a line whenever the answer changes, until Ctrl-C.")
@json_option
@state_option
@click.pass_context
def audit_group(context: click.Context, watch: bool, as_json: bool, state: Path) -> int:
    """Say whether every event is in its topic once, and was seen by all who must see it.

    Exits with 0 for green, 1 for red (something is lost, doubled or wrong), 2 for grey (it cannot be said).
    """
    if context.invoked_subcommand:
        return 0
    with audit_database(layout_of(state)) as engine:
        body = fresh_report(engine)
        _show(body, as_json=as_json)
        while watch:
            body = _next(engine, body)
            _show(body, as_json=as_json)
    return EXIT_CODE[Verdict(body["verdict"])]


@audit_group.command("repair")
@click.option("--dry-run", is_flag=True, help="Say what is missing; send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--reason", default="found missing by the auditor", show_default=True, help="Kept with each row."
)
@state_option
def repair_command(dry_run: bool, yes: bool, reason: str, state: Path) -> int:
    """Send what is missing again, under its own id, through outbox_replay.

    Exits with 0 when nothing is missing any more, 1 when something still is.
    """
    layout = layout_of(state)
    with audit_database(layout) as engine:
        fresh_report(engine)
        with engine.connect() as connection:
            found, anew = repair.missing(connection), repair.made_anew(connection)
            restored = repair.set_back(connection)
        for topic in anew:
            click.echo(f"topic {topic} was deleted and made anew; what it had and is missing is told here")
        for service in restored:
            click.echo(f"the database of {service} was set back; its phantoms stay for people to decide on")
        for each in found:
            click.echo(f"{each.event_id}  {each.service} → {each.topic}  order {each.key}  {each.why}")
        if not found:
            click.echo("Nothing is missing.")
        if not (found or anew or restored):
            return 0
        if dry_run or not (yes or click.confirm(f"Send these {len(found)} again, on record?")):
            return 1
        sent = send(layout, engine, reason)
    return 0 if len(sent) == len(found) else 1


def keep(layout: Layout, done: Recovery) -> None:
    """Put on record what is done to a relay."""
    kept = recoveries.Recovery(done.kind, [done.service], done.topics, done.by, done.reason)
    with audit_database(layout) as engine, engine.begin() as connection:
        recoveries.record(connection, kept)


def after_recovery(layout: Layout, done: Sequence[Recovery]) -> None:
    """Let the auditor say what the relays have missed, and send it."""
    click.echo("waiting for the auditor to say what is missing")
    with audit_database(layout) as engine:
        fresh_report(engine)  # It has seen by then what was made anew, and awaits what was in it.
        now = _asked(engine, lambda connection: connection.execute(recoveries.NOW).scalar_one())
        services = sorted({each.service for each in done})
        until(
            partial(_asked, engine, partial(recoveries.is_decided, before=now, services=services)),
            within_seconds=DECIDED_SECONDS_MAX,
            every_seconds=0.5,
            what="the auditor to find everything written before, or to call it lost",
        )
        send(layout, engine, f"recovery: {', '.join(sorted({each.kind for each in done}))}")


def left(layout: Layout) -> list[str]:
    """What is missing still, or was before a topic was made anew, in words."""
    with audit_database(layout) as engine:
        fresh_report(engine)
        with engine.connect() as connection:
            found, anew = repair.missing(connection), repair.made_anew(connection)
    told = [f"{len(found)} events are missing"] if found else []
    return told + [f"topic {topic} was deleted and made anew" for topic in anew]


def send(layout: Layout, engine: Engine, reason: str) -> list[Missing]:
    """Send what is missing, and wait until it has come."""
    with ExitStack() as opened:
        repairs = {
            service.name: opened.enter_context(
                _engine(layout, service, service.role("repair")),
            )
            for service in SERVICES
        }
        sent = repair.send_again(engine, repairs, who(), reason)
    click.echo(f"{len(sent)} events sent again")
    if sent:
        until(
            partial(_asked, engine, partial(repair.has_come, sent=sent)),
            within_seconds=REPAIRED_SECONDS_MAX,
            what="what was sent again to come",
        )
    return sent


def fresh_report(engine: Engine) -> dict[str, Any]:
    """A report whose round began after we asked; the newest there is, told as grey, when none comes."""
    with engine.connect() as connection:
        asked_at = connection.execute(recoveries.NOW).scalar_one()

    def newer(connection: Connection) -> dict[str, Any] | None:
        body, began_at = report.newest(connection)
        return body if began_at and began_at >= asked_at else None

    try:
        return until(
            partial(_asked, engine, newer), within_seconds=ROUND_SECONDS_MAX, what="a round of the auditor"
        )
    except WaitedTooLong as error:
        body = _asked(engine, lambda connection: report.newest(connection)[0])
        return {**body, "verdict": Verdict.GREY, "reasons": [str(error), *body["reasons"]]}


@contextmanager
def audit_database(layout: Layout) -> Iterator[Engine]:
    with _engine(layout, AUDIT, AUDITOR_ROLE) as engine:
        yield engine


@contextmanager
def _engine(layout: Layout, service: Any, role: str) -> Iterator[Engine]:
    url = database_url(layout, service, role)
    engine = connect_engine(url, process="operator", connections=1, limits=_PATIENT)
    try:
        yield engine
    finally:
        engine.dispose()


def _asked(engine: Engine, question: Any) -> Any:
    with engine.connect() as connection:
        return question(connection)


def _next(engine: Engine, before: dict[str, Any]) -> dict[str, Any]:
    """The next report that says something else."""
    pause = threading.Event()
    while True:
        pause.wait(WATCH_SECONDS)
        body: dict[str, Any] = _asked(engine, lambda connection: report.newest(connection)[0])
        if (body["verdict"], body["reasons"]) != (before["verdict"], before["reasons"]):
            return body


def _show(body: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(body, default=str))
        return
    if "invariants" not in body:
        raise StackError("; ".join(body["reasons"]))
    for each in body["invariants"]:
        click.echo(f"{each['verdict']:6} {each['name']:10} {each['sentence']}")
        for problem in each["problems"]:
            click.echo(f"                  {problem}")
    for each in body["recoveries"]:
        done = f"{each['done_at']:.19} {each['kind']} of {', '.join(each['services'])} by {each['done_by']}"
        click.echo(f"recovery {done}: {each['reason']} (explains {each['explains']} findings)")
    for reason in body["reasons"]:
        click.echo(f"{body['verdict']}: {reason}")
    told = f"{body['checked']} events checked, {body['under_way']} under way"
    click.echo(f"{str(body['verdict']).upper()}: {told}")
