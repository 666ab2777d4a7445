"""`./run sagas`: the orders under way, those that wait for a person, and what a person can do about them."""

import json
from pathlib import Path
from typing import Any

import click

from operators.sagas import OrderService
from stack.access import layout_of, who
from stack.options import json_option, state_option

STATES = ("RUNNING", "COMPENSATING", "NEEDS_ATTENTION", "COMPLETED", "COMPENSATED")


def _order_service(state: Path) -> OrderService:
    layout = layout_of(state)
    return OrderService(layout.url("order"), (layout.secrets / "operator_token").read_text().strip(), who())


@click.group("sagas")
def sagas_group() -> None:
    """Orders under way: what they wait for, and a way out when a step will not work."""


@sagas_group.command("list")
@click.option("--in", "where", type=click.Choice(STATES), help="Only those there.  [default: all under way]")
@click.option("--step", help="Only those that wait for this, such as `charge` or `undo charge`.")
@click.option("--older-than", type=click.IntRange(0), help="Only those that stood still for so many seconds.")
@json_option
@state_option
def list_command(
    where: str | None, step: str | None, older_than: int | None, as_json: bool, state: Path
) -> None:
    """Show sagas, the oldest first, with the seconds since each has moved last."""
    found = list(_order_service(state).list(state=where, step=step, older_than_seconds=older_than))
    if as_json:
        click.echo(json.dumps({"sagas": found}))
        return
    for each in found:
        click.echo(_line(each))
    if not found:
        asked = where or step or older_than
        click.echo("No saga is like that." if asked else "No order is under way.", err=True)


@sagas_group.command("show")
@click.argument("order_id")
@json_option
@state_option
def show_command(order_id: str, as_json: bool, state: Path) -> None:
    """Show one saga: where it is, why, and everything that happened to it."""
    saga = _order_service(state).show(order_id)
    if as_json:
        click.echo(json.dumps(saga))
        return
    click.echo(_line(saga))
    click.echo(f"    trace {saga['trace_id'] or 'not known'}")
    for entry in saga["entries"]:
        click.echo(f"    {entry_line(entry)}")


def _line(saga: dict[str, Any]) -> str:
    cause = saga["cause"]
    why = f"  ({_words(cause['why'], cause['step'], cause['detail'])})" if cause else ""
    waits = f"  waits for {', '.join(saga['awaits'])}" if saga["awaits"] else ""
    moved = f"moved {saga['waiting_seconds']:.0f} s ago"
    return f"{saga['order_id']}  {saga['saga']['state']:15}  {moved:16}{waits}{why}".rstrip()


def entry_line(entry: dict[str, Any]) -> str:
    """One thing that happened to a saga, on one line."""
    what = entry.get("type") or _words(entry.get("operation"), entry.get("step"))
    again = f"attempt {entry['attempt']}" if entry.get("attempt", 1) > 1 else None
    told = _words(again, entry.get("actor"), entry.get("note"))
    event = f"  [{entry['event_id']}]" if "event_id" in entry else ""
    return f"{entry['at'][11:23]}  {entry['kind']:10}  {what:28}  {entry['state']:15}{event}  {told}".rstrip()


def _words(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


_note_option = click.option("--note", required=True, help="Why; it is kept with the saga.")


@sagas_group.command("retry")
@click.argument("order_id")
@_note_option
@state_option
def retry_command(order_id: str, note: str, state: Path) -> None:
    """Send what a saga needing attention waits for once more.

    Where a command was parked, mend its cause, then ./run dead-letters redrive --key ORDER_ID instead.
    """
    click.echo(_line(_order_service(state).act("retry", order_id, note)))


@sagas_group.command("compensate")
@click.argument("order_id")
@_note_option
@state_option
def compensate_command(order_id: str, note: str, state: Path) -> None:
    """Turn a saga round, before its pivot: undo what was done, and cancel the order."""
    click.echo(_line(_order_service(state).act("compensate", order_id, note)))


@sagas_group.command("resolve")
@click.argument("order_id")
@_note_option
@click.option(
    "--unanswered",
    is_flag=True,
    help="No answer came; you have seen to it that what was asked for is not done after all.",
)
@state_option
def resolve_command(order_id: str, note: str, unanswered: bool, state: Path) -> None:
    """Say that what a saga needing attention waits for was done by hand, a refund by bank transfer say."""
    click.echo(_line(_order_service(state).act("resolve", order_id, note, unanswered=unanswered)))
