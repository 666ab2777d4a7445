"""`./run dead-letters`: messages that could not be handled, and what a person does about them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from contracts.services import SERVICE
from messaging import discard, letters, redrive
from messaging.consumer import Consumer
from messaging.letters import LETTERS_MAX, Wanted
from operators.consumers import consumers
from order.saga import Patience
from runtime import spans
from stack import letter_words
from stack.access import database, layout_of, running, who
from stack.errors import StackError
from stack.options import Age, json_option, state_option


@click.group("dead-letters")
def dead_letters_group() -> None:
    """Messages that could not be handled, and those that wait behind them."""


_OPTIONS = (
    click.option("--service", type=click.Choice(list(SERVICE)), help="Only those of this service."),
    click.option("--key", help="Only those of this order."),
    click.option("--id", "letter_id", type=click.IntRange(1), help="Only this one; with --service."),
    click.option("--type", "kind", help="Only messages of this type, such as payment.charge.v1."),
    click.option("--reason", help="Only those whose reason holds these words."),
    click.option("--older-than", type=Age(), help="Only those parked so long ago: 30s, 10m, 2h, 1d."),
)


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which letters are meant."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _wanted(options: dict[str, Any]) -> tuple[Wanted, list[str]]:
    """The letters meant, and the services to look in: ids count in each service from 1."""
    if options["letter_id"] and not options["service"]:
        raise click.UsageError("--id counts in each service: add --service")
    wanted = Wanted(
        options["key"], options["letter_id"], options["kind"], options["reason"], options["older_than"]
    )
    return wanted, [options["service"]] if options["service"] else list(SERVICE)


@dead_letters_group.command("list")
@filters
@json_option
@state_option
def list_command(as_json: bool, state: Path, **options: Any) -> None:
    """Show what waits, the oldest first; a key is held by its first letter."""
    wanted, names = _wanted(options)
    found = [letter for name in names for letter in _waiting(state, name, wanted)]
    if as_json:
        click.echo(json.dumps({"dead_letters": found}, default=str))
        return
    for letter in found:
        click.echo(letter_words.line(letter))
    if len(found) >= LETTERS_MAX:
        click.echo(f"There may be more than these {len(found)}: narrow it down.", err=True)
    if not found:
        click.echo("Nothing is parked.", err=True)


@dead_letters_group.command("show")
@click.argument("letter_id", type=click.IntRange(1))
@click.option("--service", type=click.Choice(list(SERVICE)), required=True, help="Whose letter it is.")
@json_option
@state_option
def show_command(letter_id: int, service: str, as_json: bool, state: Path) -> None:
    """Show one letter with its headers and payload; what is private is withheld."""
    with database(layout_of(state), SERVICE[service]) as engine, engine.connect() as connection:
        letter = letters.show(connection, letter_id)
    if letter is None:
        raise StackError(f"{service} has no dead letter {letter_id}")
    shown = {"service": service, **letter}
    click.echo(json.dumps(shown, default=str, indent=None if as_json else 2, ensure_ascii=False))


@dead_letters_group.command("redrive")
@filters
@click.option("--dry-run", is_flag=True, help="Say what would be handled, in which order; change nothing.")
@state_option
def redrive_command(dry_run: bool, state: Path, **options: Any) -> int:
    """Handle held keys once more, in order; exits with 1 when one is still held.

    The filters choose keys by the letter that holds them; what waits behind it follows.
    """
    wanted, names = _wanted(options)
    meant = held = 0
    for engine, consumer in _services(state, names):
        if dry_run:
            queues = redrive.plan(engine, consumer, wanted)
            letter_words.tell_plan(consumer.service, queues)
            meant += len(queues)
        else:
            done = redrive.redrive(engine, consumer, wanted, by=who())
            held += letter_words.tell_redriven(consumer.service, done)
            meant += len(done.freed) + len(done.still_held)
        with engine.connect() as connection:
            letter_words.tell_strays(consumer.service, letters.list_waiting(connection, wanted))
    letter_words.tell_of_nobody(meant)
    return 1 if held else 0


@dead_letters_group.command("discard")
@filters
@click.option("--note", required=True, help="Why; it is kept with the letter.")
@click.option("--whole-key", is_flag=True, help="With all that waits behind it.")
@click.option("--redrive", "follow", is_flag=True, help="Then handle what waited behind it.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be given up, and what waits on; change nothing."
)
@state_option
def discard_command(
    *, note: str, whole_key: bool, follow: bool, dry_run: bool, state: Path, **options: Any
) -> int:
    """Give letters up, with a note that is kept; exits with 1 when one that is meant was not.

    Only the letter that holds a key goes, and what waits behind it waits on.
    """
    wanted, names = _wanted(options)
    if wanted.is_everything and not options["service"]:
        raise click.UsageError("say which: --key, --id, --type, --reason, --older-than or --service")
    if not note.strip():
        raise click.BadParameter("say why", param_hint="--note")
    order_given = discard.Order(wanted, who(), note.strip(), whole_key)
    meant = refused = 0
    for engine, consumer in _services(state, names):
        do = discard.plan if dry_run else discard.discard
        done = do(engine, consumer, order_given)
        letter_words.tell_discarded(consumer.service, done, dry_run=dry_run, follow=follow)
        refused += len(done.refused)
        meant += len(done.letters) + len(done.refused)
        for key in done.left if follow and not dry_run else ():
            result = redrive.redrive(engine, consumer, Wanted(key=key), by=who())
            refused += letter_words.tell_redriven(consumer.service, result)
    letter_words.tell_of_nobody(meant)
    return 1 if refused else 0


def _waiting(state: Path, name: str, wanted: Wanted) -> list[dict[str, Any]]:
    with database(layout_of(state), SERVICE[name]) as engine, engine.connect() as connection:
        return [{"service": name, **letter} for letter in letters.list_waiting(connection, wanted)]


def _services(state: Path, names: list[str]) -> Iterator[tuple[Any, Consumer]]:
    """The database and the consumer of each service, one after the other."""
    layout = layout_of(state)
    seconds = running(state).deadline_seconds
    spans.switch_on("dead-letters")
    for consumer in consumers(Patience(seconds, 2 * seconds)):
        if consumer.service in names:
            with database(layout, SERVICE[consumer.service]) as engine:
                yield engine, consumer
