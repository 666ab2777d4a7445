"""What an operator does to a running stack: its connectors and its dead letters."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine, make_url

from connect import operations
from connect.health import Verdict
from contracts.services import SERVICE, SERVICES
from inventory import handlers as inventory
from messaging.consumer import Consumer
from messaging.dead_letters import list_waiting
from messaging.redrive import redrive
from order import handlers as order
from payment import handlers as payment
from runtime.database import connect_engine
from stack import record
from stack.errors import NotReady
from stack.layout import Layout
from stack.options import state_option

CONSUMERS = (order.consumer(), payment.consumer(), inventory.consumer())


@click.group("connect")
def connect_group() -> None:
    """Kafka Connect: the relays between the outboxes and Kafka."""


@connect_group.command("status")
@state_option
def connect_status(state: Path) -> int:
    """Show each connector; exits with 1 when one is not healthy."""
    statuses = operations.status(_connect_urls(state))
    for each in statuses:
        click.echo(f"{each.name:20} {each.summary()}")
    return (
        0
        if len(statuses) == len(SERVICES) and all(each.verdict is Verdict.HEALTHY for each in statuses)
        else 1
    )


def _add(name: str, operation: Callable[[list[str], str], None], done: str, text: str) -> None:
    """A command that does one thing to one connector, or to all of them."""

    @connect_group.command(name, help=text)
    @click.argument("connector", required=False, type=click.Choice([each.connector for each in SERVICES]))
    @state_option
    def command(connector: str | None, state: Path) -> None:
        urls = _connect_urls(state)
        for each in [connector] if connector else [service.connector for service in SERVICES]:
            operation(urls, each)
            click.echo(f"{each} {done}")


_add("restart", operations.restart, "restarted", "Restart one connector with its tasks, or all.")
_add(
    "pause",
    operations.pause,
    "paused",
    "Stop relaying; the outbox fills and WAL is held back until `resume`.",
)
_add("resume", operations.resume, "resumed", "Relay again.")


@click.group("dead-letters")
def dead_letters_group() -> None:
    """Messages that could not be handled, and those that wait behind them."""


@dead_letters_group.command("list")
@click.option("--key", help="Only those of this order.")
@state_option
def list_command(key: str | None, state: Path) -> None:
    """Show what waits, one JSON object a line."""
    letters = [
        {"service": service.name, **letter}
        for service in SERVICES
        for letter in _waiting(state, service.name, key)
    ]
    for letter in letters:
        click.echo(json.dumps(letter, default=str))
    if not letters:
        click.echo("Nothing is parked.", err=True)


@dead_letters_group.command("redrive")
@click.option("--key", help="Only those of this order.")
@state_option
def redrive_command(key: str | None, state: Path) -> int:
    """Handle what waits once more, in order; exits with 1 when something still waits."""
    held = 0
    for consumer in CONSUMERS:
        with _database(state, consumer.service) as engine:
            held += _redrive(engine, consumer, key)
    return 1 if held else 0


def _waiting(state: Path, name: str, key: str | None) -> list[dict[str, Any]]:
    with _database(state, name) as engine, engine.connect() as connection:
        return list_waiting(connection, key=key)


def _redrive(engine: Engine, consumer: Consumer, key: str | None) -> int:
    result = redrive(engine, consumer, key=key)
    click.echo(f"{consumer.service}: {result.handled} handled, {len(result.freed)} orders free again")
    for each, reason in result.still_held.items():
        click.echo(f"{consumer.service}: {each} still waits: {reason}")
    return len(result.still_held)


@contextmanager
def _database(state: Path, name: str) -> Iterator[Engine]:
    service = SERVICE[name]
    role = service.role("app")
    layout = _layout(state)
    url = make_url(layout.database_url(role, service.database))
    password = (layout.secrets / role).read_text().strip()
    engine = connect_engine(url.set(password=password), process="operator", connections=1)
    try:
        yield engine
    finally:
        engine.dispose()


def _connect_urls(state: Path) -> list[str]:
    return _layout(state).connect_urls.split(",")


def _layout(state: Path) -> Layout:
    now = record.read_running(state)
    if now is None:
        raise NotReady("nothing is running: ./run up first")
    return Layout(state=state, port_offset=now.port_offset)
