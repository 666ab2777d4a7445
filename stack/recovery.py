"""`./run connect recover`: what a relay has lost is made anew, and what it may have missed is sent again."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from connect import operations, plans, recovery
from connect.facts import Access
from connect.losses import Recovery
from connect.plans import RecoveryImpossible
from connect.recovery import Means
from contracts.services import AUDITOR_ROLE, SERVICE, SERVICES, Service
from runtime import logs
from stack import audits, launch, postgres, record
from stack.access import database_url, layout_of, who
from stack.errors import NotReady
from stack.layout import CONNECT_WORKERS, Layout
from stack.options import state_option

# What a recovery needs of a stack that cannot start: databases, brokers and Connect.
NEEDED = ("migrate", "topics", *CONNECT_WORKERS)

Note = Callable[[Recovery], None]
Repair = Callable[[Layout, Sequence[Recovery]], None]


def access(layout: Layout) -> Access:
    """The ways in, for whoever looks at the relays."""
    databases = {service: database_url(layout, service, AUDITOR_ROLE) for service in SERVICES}
    urls, servers = layout.connect_urls.split(","), layout.bootstrap_servers.split(",")
    return Access(operations.client(urls, servers), servers, databases)


def recover(
    layout: Layout,
    wanted: Sequence[Service] = SERVICES,
    *,
    confirm: Callable[[], bool],
    note: Note | None = None,
    repair: Repair | None = None,
) -> list[Recovery]:
    """Say what was lost, ask, bring the relays back, and let `repair` send what they may have missed.

    Each loss is given to `note` before anything that tells of it is destroyed.
    """
    known = recovery.decided(access(layout), wanted, click.echo)
    if told := plans.questions(known, wanted):
        told = f"it cannot be told yet of {told}"
        if not plans.plan(known, wanted) and not plans.chores(known, wanted):
            raise RecoveryImpossible(told)
        click.echo(told)
    planned, chores = plans.plan(known, wanted), plans.chores(known, wanted)
    for relay, found in planned.items():
        for loss in found:
            click.echo(f"{relay.service.connector}: {loss.kind}: {loss.what}")
        for step in plans.steps(relay, found):
            click.echo(f"{relay.service.connector}:   will {step}")
    for chore in chores:
        click.echo(chore)
    if not planned and not chores:
        click.echo("No relay has lost anything that must be made anew; ./run connect doctor tells the rest.")
        return []
    if not confirm():
        return []
    recoveries = recovery.recover(_means(layout, note or partial(audits.keep, layout)), planned, wanted)
    if recoveries and repair is not None:
        repair(layout, recoveries)
    return recoveries


@click.command("recover")
@click.argument("service", required=False, type=click.Choice(list(SERVICE)))
@click.option("--dry-run", is_flag=True, help="Say what was lost and what would be done; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@state_option
def recover_command(service: str | None, dry_run: bool, yes: bool, state: Path) -> int:
    """Bring relays back that have lost their slot, position, topic or connector.

    Safe to repeat. Where the stack could not start for such a loss, what is needed is started for it. Exits
    with 1 when events are missing all the same.
    """
    logs.configure("recovery", logging.WARNING)
    # What its client cannot do is raised; what it logs beside that it has tried again.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    wanted = [SERVICE[service]] if service else SERVICES
    with _enough_running(state) as layout:
        confirm = partial(_confirm, dry_run=dry_run, yes=yes)
        repair = audits.after_recovery if _is_audited(state) else None
        recoveries = recover(layout, wanted, confirm=confirm, repair=repair)
        if recoveries and repair is None:
            click.echo("What was missed is sent again by ./run audit repair, once the stack runs.", err=True)
        left = audits.left(layout) if repair else []
    for each in recoveries:
        click.echo(json.dumps(asdict(each), default=str))
    for told in left:
        click.echo(f"{told}: ./run audit repair tells more, and sends what is missing", err=True)
    return 1 if left else 0


def _is_audited(state: Path) -> bool:
    now = record.read_running(state)
    return now is not None and any(node.name == "auditor" for node in now.processes)


def _confirm(*, dry_run: bool, yes: bool) -> bool:
    return not dry_run and (yes or click.confirm("Do that?"))


@contextmanager
def _enough_running(state: Path) -> Iterator[Layout]:
    """The running stack; or, where none runs, as much of one as is needed, for as long as it is."""
    if record.read_running(state):
        yield layout_of(state)
        return
    last = record.read(state)
    if last is None:
        raise NotReady("there is no stack: ./run up first")
    wish = launch.Wish(state, last.port_offset, only=NEEDED)
    with launch.running(wish, Console(stderr=True)):
        yield layout_of(state)
    click.echo("The stack may be started now: ./run up", err=True)


def _means(layout: Layout, note: Note) -> Means:
    return Means(
        access(layout),
        database_url(layout, SERVICES[0], postgres.SUPERUSER),
        {service: database_url(layout, service, service.role("app")) for service in SERVICES},
        who(),
        click.echo,
        note,
    )
