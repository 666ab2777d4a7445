"""`./run sagas`: the orders under way, those that wait for a person, and what a person can do about them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import requests

from stack.access import layout_of, who
from stack.errors import StackError
from stack.options import json_option, state_option

REQUEST_SECONDS_MAX = 10
PAGE = 200
STATES = ("RUNNING", "COMPENSATING", "NEEDS_ATTENTION", "COMPLETED", "COMPENSATED")


class OrderService:
    """The order service's routes for operators, with the operator's token."""

    def __init__(self, state: Path) -> None:
        layout = layout_of(state)
        token = (layout.secrets / "operator_token").read_text().strip()
        self._url = layout.url("order")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business on 127.0.0.1
        self._session.headers["Authorization"] = f"Bearer {token}"

    def list(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Every saga that the filters let through, oldest first."""
        wanted = {name: value for name, value in filters.items() if value is not None} | {"limit": PAGE}
        while True:
            page = self._ask("GET", "/sagas", params=wanted)
            yield from page["sagas"]
            if page["next_cursor"] is None:
                return
            wanted["cursor"] = page["next_cursor"]

    def show(self, saga_id: str) -> dict[str, Any]:
        return self._ask("GET", f"/sagas/{saga_id}")

    def act(self, what: str, saga_id: str, note: str, **options: bool) -> dict[str, Any]:
        body = {"note": note, "by": who(), **options}
        return self._ask("POST", f"/sagas/{saga_id}/{what}", json=body)

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = self._session.request(method, self._url + path, timeout=REQUEST_SECONDS_MAX, **options)
        answer: dict[str, Any] = response.json()
        if not response.ok:
            wrong = "; ".join(f"{each['field']}: {each['detail']}" for each in answer.get("errors", ()))
            raise StackError(wrong or answer["detail"])
        return answer


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
    found = list(OrderService(state).list(state=where, step=step, older_than_seconds=older_than))
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
    saga = OrderService(state).show(order_id)
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
    click.echo(_line(OrderService(state).act("retry", order_id, note)))


@sagas_group.command("compensate")
@click.argument("order_id")
@_note_option
@state_option
def compensate_command(order_id: str, note: str, state: Path) -> None:
    """Turn a saga round, before its pivot: undo what was done, and cancel the order."""
    click.echo(_line(OrderService(state).act("compensate", order_id, note)))


@sagas_group.command("resolve")
@click.argument("order_id")
@_note_option
@click.option(
    "--unanswered",
    is_flag=True,
    help="No answer came, and it is seen to that none will: nothing is done twice.",
)
@state_option
def resolve_command(order_id: str, note: str, unanswered: bool, state: Path) -> None:
    """Say that what a saga needing attention waits for was done by hand, a refund by bank transfer say."""
    click.echo(_line(OrderService(state).act("resolve", order_id, note, unanswered=unanswered)))
