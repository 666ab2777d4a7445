"""The commands that bring a stack of their own: the demonstration, the tests, the benchmarks."""

import ast
import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import click
from rich.console import Console

from runtime.stopping import stop_requested
from stack import demo, fetching, launch, record, status
from stack.errors import StackError
from stack.layout import ROOT, Layout
from stack.leash import leashed
from stack.options import failures_option, json_option

# What brings no whole stack is tested two at a time.
LIGHT_PARTS = ("house", "unit", "simulation", "integration")
# Each with a stack of its own is done with it before the next begins: two would want 8 GB.
HEAVY_PARTS = ("recovery", "system", "chaos")
# Too long as a whole for every change.
LONG_PARTS = ("bugs",)
# pytest's exit code where no test was chosen.
NO_TESTS = 5
# By index: tests of an API share their ids, and other ways take those for one.
SIDE_BY_SIDE = ("-n", "2", "--dist", "worksteal")
# Tests that take too long for every change carry this mark.
LONG_MARK = "long"


@click.command("demo")
@click.option(
    "--once", is_flag=True, help="Stop everything afterwards; exits with 1 when an order ended wrong."
)
@failures_option
@json_option
def demo_command(once: bool, failures: float, as_json: bool) -> None:
    """Start a whole system, place orders that end each way, show what happened and where to look."""
    console = Console()
    with launch.temporary("demo", failures) as wish, launch.running(wish, console) as now:
        layout = Layout(state=wish.state, port_offset=wish.port_offset)
        show = demo.show_crowd if failures else demo.show_cases
        journeys = show(layout, console)
        good = all(journey.ended_well for journey in journeys)
        if as_json:
            verdict = status.GREEN if good else status.RED
            click.echo(json.dumps({"verdict": verdict, "orders": [each.as_json() for each in journeys]}))
        if not once:
            click.echo(status.where_to_look(now, wish.state))
            console.print("Ctrl-C stops everything.")
            _wait(stop_requested(), wish.state)
        if not good:
            raise StackError("an order did not end as it should have")


def _wait(stop: threading.Event, state: Path) -> None:
    """Until we are asked to stop, or somebody has stopped the system from elsewhere."""
    while record.running_parent(state) and not stop.wait(1.0):
        continue


@click.command("test", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PART] [OPTIONS]...")
def test_command(arguments: tuple[str, ...]) -> int:
    """Pass the tests, or those of one PART; `full` adds those that take too long for every change.

    After all of them a few ratios are told (`./run bench --quick`), and fail only where one has collapsed.
    PART is house, unit, simulation, integration, recovery, system, chaos or bugs. OPTIONS go to pytest; it
    runs twice when no PART is named: what needs no whole system, two tests at a time, then the rest.
    """
    part, options = _part(arguments)
    fetching.fetch(Console())
    marks = [] if part == "full" else ["-m", f"not {LONG_MARK}"]
    if part not in {None, "full"}:
        return int(_pytest((part,), *marks, *options) != 0)
    heavy = HEAVY_PARTS + (LONG_PARTS if part == "full" else ())
    # Where the minutes went: whoever adds a test that takes long sees it here.
    told = [*marks, "--durations=15", "--durations-min=5", *options]
    codes = {_pytest(LIGHT_PARTS, *SIDE_BY_SIDE, *told), _pytest(heavy, *told)}
    # Options may choose tests that are all in the other half.
    if not codes <= {0, NO_TESTS} or codes == {NO_TESTS}:
        return 1
    return 0 if options else _run_on_leash(_benchmark("quick"))


def _pytest(parts: tuple[str, ...], *options: str) -> int:
    command = [sys.executable, "-m", "pytest", *(f"tests/{each}" for each in parts), *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _part(arguments: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The part that is asked for, if one is, and what is left for pytest."""
    if not arguments or arguments[0].startswith("-"):
        return None, arguments
    known = (*LIGHT_PARTS, *HEAVY_PARTS, *LONG_PARTS, "full")
    if arguments[0] not in known:
        raise click.BadParameter(f"{arguments[0]!r} is not one of {', '.join(known)}")
    return arguments[0], arguments[1:]


@click.command("bench", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--quick", is_flag=True, help="A few ratios beside their baseline.")
@click.option("--keep", is_flag=True, help="With --quick: make what is measured the baseline.")
@click.argument("name", default="list")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS]...")
def bench_command(quick: bool, keep: bool, name: str, arguments: tuple[str, ...]) -> int:
    """Measure one thing, on a system of its own; `list` shows what can be measured.

    OPTIONS go to the benchmark: `./run bench NAME --help` tells them.
    """
    if quick or keep:
        if not quick or name != "list":
            raise click.UsageError("it is ./run bench --quick [--keep], without a name")
        return _run_on_leash(_benchmark("quick", *(["--keep"] if keep else [])))
    known = questions()
    if name == "list":
        for each, question in known.items():
            click.echo(f"{each:12} {question}")
        return 0
    if name not in known:
        raise click.BadParameter(f"{name!r} is not one of {', '.join(known)}")
    return _run_on_leash(_benchmark(name, *arguments))


def _benchmark(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]


def questions() -> dict[str, str]:
    """The benchmarks by name, each with the first sentence that it says of itself. None is imported."""
    found, folder = {}, ROOT / "benchmarks"
    for path in sorted([*folder.glob("*.py"), *folder.glob("*/__main__.py")]):
        source = path.read_text()
        if 'if __name__ == "__main__":' in source:
            said = " ".join((ast.get_docstring(ast.parse(source)) or "").split())
            name = path.parent.name if path.stem == "__main__" else path.stem
            found[name] = re.split(r"[.:](?= |$)", said, maxsplit=1)[0]
    return found


def _run_on_leash(command: list[str]) -> int:
    """Its exit code. Ctrl-C reaches it too, and it gets the time to stop what it has started."""
    with subprocess.Popen(leashed(command, orphan_signal=signal.SIGINT), cwd=ROOT) as process:
        before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
        try:
            code = process.wait()
        finally:
            signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code
