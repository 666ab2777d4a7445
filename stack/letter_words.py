"""What `./run dead-letters` says: a letter on a line, what was done, and what becomes of the order."""

from typing import Any

import click
from sqlalchemy import Row

from contracts.messages import MESSAGES, Command, Reply
from messaging.discard import Discarded
from messaging.redrive import Redriven

_REASON_SHOWN = 160


def line(letter: dict[str, Any]) -> str:
    """One waiting letter."""
    place = f"{letter['state']} {letter['place']}" if letter["place"] else letter["state"]
    kind = letter["type"] or "no type"
    reason = letter["reason"].splitlines()[0][:_REASON_SHOWN] if letter["reason"] else ""
    parked = f"{letter['parked_at']:%Y-%m-%d %H:%M:%S}"
    return f"{letter['service']:9} {letter['id']:>6}  {parked}  {place:10}  {letter['key']}  {kind}  {reason}"


def tell_plan(service: str, queues: dict[str, list[Row[Any]]]) -> None:
    """What a redrive would handle."""
    total = sum(len(queue) for queue in queues.values())
    click.echo(f"{service}: would handle {total} letters of {len(queues)} orders")
    for key, queue in queues.items():
        waiting = [f"{letter.id} {letter.type or 'no type'}" for letter in queue]
        first, *behind = waiting or ["nothing waits any more; it is let go of"]
        follow = f", then {', '.join(behind)}" if behind else ""
        click.echo(f"{service}: {key}: {first}{follow}")


def tell_redriven(service: str, result: Redriven) -> int:
    """What a redrive did; answers with how many keys are still held."""
    click.echo(f"{service}: {result.handled} handled, {len(result.freed)} orders free again")
    for key, reason in result.still_held.items():
        click.echo(f"{service}: {key} still waits: {reason}")
    return len(result.still_held)


def tell_of_nobody(meant: int) -> None:
    """What is said where a command meant nothing that is parked: a key may be mistyped."""
    if not meant:
        click.echo("Nothing was done: nothing that is held fits this.", err=True)


def tell_strays(service: str, waiting: list[dict[str, Any]]) -> None:
    """What no redrive can handle."""
    if strays := [letter for letter in waiting if letter["state"] == "stray"]:
        click.echo(f"{service}: {len(strays)} strays stay: they have no usable id, and hold nobody back")


def tell_discarded(service: str, done: Discarded, *, dry_run: bool, follow: bool) -> None:
    """What a discard did, or would do, and what follows from it."""
    verb = "would discard" if dry_run else "discarded"
    click.echo(f"{service}: {verb} {len(done.letters)} letters")
    for letter in done.letters:
        kind = letter["type"] or "no type"
        click.echo(f"{service}: {verb} {letter['id']} {kind} of {letter['key']}: {consequence(letter)}")
    for letter_id, why in done.refused.items():
        click.echo(f"{service}: {letter_id} is kept: {why}")
    for key, count in done.left.items():
        then = "are handled next" if follow else f"wait on: ./run dead-letters redrive --key {key}"
        click.echo(f"{service}: {count} behind it {then}")


def consequence(letter: dict[str, Any]) -> str:
    """What becomes of the order whose message is given up."""
    kind, key = MESSAGES.get(letter["type"]), letter["key"]
    if letter["state"] == "stray" or kind is None:
        return "it was not known to be any order's message; nothing follows"
    if issubclass(kind, Command):
        ways = "retry or resolve" if kind.compensation else "retry or compensate"
        return (
            "where its saga still waits for it, it needs attention and says so:"
            f" ./run sagas show {key}, then {ways} it"
        )
    if issubclass(kind, Reply):
        return (
            "its saga does not get this answer: where it still waits for it, its deadline turns the order"
            f" round or calls for a person; ./run sagas show {key}"
        )
    return (
        f"{letter['consumer']} will not act on it; see to it by hand, ./run sagas show {key} tells the rest"
    )
