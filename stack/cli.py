"""The command line: every command ends by itself, and says what to do next when it fails."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import click
from requests import RequestException
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from runtime import logs
from runtime.errors import NeverlostError
from stack import (
    attacks,
    audits,
    connect,
    dead_letters,
    doctor,
    java,
    launch,
    logfiles,
    progress,
    record,
    sagas,
    status,
    topology,
    trials,
)
from stack.errors import NotReady
from stack.layout import DEADLINE_SECONDS
from stack.options import (
    deadline_option,
    failures_option,
    jmx_option,
    json_option,
    offset_option,
    state_option,
)
from stack.record import StackRecord
from stack.supervisor import Supervisor

FOLLOW_EVERY_SECONDS = 0.3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Neverlost: food orders, and no event between the services is lost.

    Begin with `./run demo --once`, or with `./run up` and docs/tutorial.md.
    """


@cli.command()
@state_option
@offset_option
@failures_option
@deadline_option
@jmx_option
def up(state: Path, port_offset: int, failures: float, deadline: int, jmx: bool) -> None:
    """Start everything, and return when it is ready."""
    console = Console()
    wish = launch.Wish(state, port_offset, failures, deadline_seconds=deadline, jmx=jmx)
    if record.running_parent(state):
        if port_offset or failures or jmx or deadline != DEADLINE_SECONDS:
            raise NotReady("it runs already, and keeps the options it was started with: ./run down first")
        console.print("Already running.")
        now = progress.join(state, console)
        if now.only:
            raise NotReady("a recovery runs only what it needs: try again when it has ended")
    else:
        now = _start(wish, console)
    click.echo(status.where_to_look(now, state))
    for told in status.held(now, state):
        click.echo(f"warning: {told}", err=True)


def _start(wish: launch.Wish, console: Console) -> StackRecord:
    parent = launch.start(wish, console, detached=True)
    try:
        return progress.follow(wish.state, lambda: parent.poll() is None, console)
    except BaseException:
        launch.end(parent)
        raise


@cli.command()
@state_option
def down(state: Path) -> None:
    """Stop everything; the data stays."""
    click.echo("Stopped." if launch.stop(state) else "Nothing was running.")


@cli.command()
@state_option
def reset(state: Path) -> None:
    """Stop everything and forget all data, without asking."""
    launch.stop(state)
    launch.forget(state)
    click.echo("All data is gone; ./run up starts afresh.")


@cli.command("status")
@state_option
@json_option
def status_command(state: Path, as_json: bool) -> int:
    """Show what runs.

    Exits with 0 when all is well, 1 when not, 2 while starting or while a recovery runs only what it needs,
    3 when nothing runs.
    """
    return status.show(state, as_json=as_json)


@cli.command("logs")
@click.argument("name")
@click.option("-f", "follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "lines", type=click.IntRange(0), default=50, show_default=True, help="How many lines.")
@state_option
def logs_command(name: str, follow: bool, lines: int, state: Path) -> None:
    """Show the log of one process (`./run status` names them), or of `stack`, their parent."""
    logs_there = {each.stem: each for each in (state / "logs").glob("*.log")}
    if not logs_there:
        raise NotReady("there are no logs yet: ./run up")
    if name not in logs_there:
        raise click.BadParameter(f"there is no log of {name}; there are: {', '.join(sorted(logs_there))}")
    path = logs_there[name]
    for line in logfiles.tail(path, lines):
        click.echo(line)
    if not path.stat().st_size:
        click.echo(f"{name} has logged nothing.", err=True)
    if follow:
        _follow(path)


@cli.command(hidden=True)
@state_option
@offset_option
@failures_option
@deadline_option
@click.option("--only", multiple=True, help="This node and what it waits for.")
@click.option("--slot-wal-keep-mb", type=click.IntRange(1), help="How much WAL a slot may hold back.")
@click.option("--detour", is_flag=True, help="A proxy between clients and brokers.")
@click.option("--local-gateway", is_flag=True, help="The gateway in the executor's process.")
@jmx_option
def supervise(state: Path, port_offset: int, failures: float, deadline: int, **shape: Any) -> int:
    """Be the parent of a stack, in the foreground."""
    logs.configure("stack")
    wish = launch.Wish(state, port_offset, failures, deadline_seconds=deadline, **shape)
    with record.only_parent(state):
        layout = wish.layout(lambda: java.find() or "java")
        nodes = topology.nodes(layout)
        if wish.only:
            nodes = topology.with_dependencies(wish.only, nodes)
        return asyncio.run(Supervisor(layout, nodes, wish.only).run())


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _follow(path: Path) -> None:
    """Print what is appended, until Ctrl-C; a rotated file is read from its beginning."""
    place = path.stat().st_size
    pause = threading.Event()
    while not pause.wait(FOLLOW_EVERY_SECONDS):
        if path.stat().st_size < place:
            place = 0
        with path.open("rb") as file:
            file.seek(place)
            sys.stdout.buffer.write(file.read())
            place = file.tell()
        sys.stdout.flush()


for _command in (
    trials.demo_command,
    trials.test_command,
    trials.bench_command,
    connect.connect_group,
    dead_letters.dead_letters_group,
    attacks.chaos_command,
    sagas.sagas_group,
    audits.audit_group,
    doctor.doctor_command,
):
    cli.add_command(_command)


def main() -> None:
    """Run a command; errors are told in one line, and become the exit code."""
    try:
        code = cli.main(prog_name="./run", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except NeverlostError as error:
        click.echo(f"neverlost: {error}", err=True)
        code = getattr(error, "exit_code", 1)
    except subprocess.CalledProcessError as error:
        click.echo(f"neverlost: {error}", err=True)
        code = 1
    except (SQLAlchemyError, RequestException, OSError) as error:
        click.echo(f"neverlost: {_first_line(error)}; ./run status tells what is away", err=True)
        code = NotReady.exit_code
    sys.exit(code if isinstance(code, int) else 0)
