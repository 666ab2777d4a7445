"""`./run chaos`: faults under load, on a stack of its own, on one that runs, or on a system of your own."""

import importlib.metadata
import random
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import click

from chaos.attack import WARM_UP_ORDERS, Attack, fight, judge
from chaos.largest import note_largest
from chaos.scenario import SMALL_DISKS, Scenario
from chaos.scenarios import BY_NAME, SCENARIOS
from runtime.stopping import stop_requested
from stack import arena
from stack.layout import DEFAULT_STATE, ROOT

INTERRUPTED = 130
# A document that runs keep up to date themselves.
LARGEST = ROOT / "docs" / "chaos-results.md"
EXIT_CODE = {"valid": 0, "invalid": 1, "unknown": 2}


@click.command("chaos")
@click.argument("name")
@click.option("--seed", type=int, help="The same orders and faults for the same one.  [default: by chance]")
@click.option("--orders", type=click.IntRange(1, 1_000_000), help="How many orders.")
@click.option("--duration", type=click.FloatRange(1), help="Seconds over which the orders are sent.")
@click.option("--rate", type=click.FloatRange(0.1, 1000), help="Orders a second.")
@click.option(
    "--report", type=click.Path(file_okay=False, path_type=Path), help="The folder for what was found."
)
@click.option(
    "--state",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    help="Attack the stack that runs there, and not one of its own.",
)
@click.option(
    "--targets",
    "targets_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Attack a system of your own, described in this JSON file.",
)
def chaos_command(
    name: str,
    seed: int | None,
    state: Path | None,
    targets_file: Path | None,
    report: Path | None,
    **size: float | None,
) -> int:
    """Send orders while faults of the scenario NAME happen, and judge what came of it; `list` shows them.

    Exits with 0 when every promise held, 1 when one did not, 2 when that cannot be said.
    """
    if name == "list":
        return _list()
    if name not in BY_NAME:
        raise click.BadParameter(f"there is no scenario {name!r}; ./run chaos list shows them")
    if state and targets_file:
        raise click.UsageError("--state and --targets are two systems: give one")
    scenario = BY_NAME[name]
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311 - to be told, not secret
    orders, rate = _size(scenario, **size)
    folder = report or DEFAULT_STATE / "chaos" / f"{name}-{seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    if folder.exists() and any(folder.iterdir()):
        raise click.BadParameter(f"{folder} holds something already", param_hint="--report")
    if arena.lacks_rights(scenario):
        click.echo(f"unknown: needs root: {scenario.name} needs {SMALL_DISKS}")
        return EXIT_CODE["unknown"]
    with arena.opened(scenario, state, targets_file) as system:
        attack = Attack(
            scenario=scenario,
            seed=seed,
            orders=orders,
            rate=rate,
            folder=folder,
            order_url=system.endpoints.urls["order"],
            command=f"./run chaos {name} --seed {seed} --orders {orders} --rate {rate:g}",
            versions=_versions(),
        )
        return _run(attack, system)


def _run(attack: Attack, system: arena.System) -> int:
    stop = stop_requested()
    attack.folder.mkdir(parents=True, exist_ok=True)
    click.echo(
        f"{attack.scenario.name}: {attack.scenario.sentence}\n"
        f"seed {attack.seed}, {WARM_UP_ORDERS} orders to warm up, then {attack.orders}"
        f" at {attack.rate:g} a second, written to {attack.folder}"
    )
    fought = fight(attack, system.ground, stop, click.echo)
    click.echo(f"{fought.seen} of {_plural(fought.faults, 'fault')} seen to work; {_counted(fought.counts)}")
    if stop.is_set():
        click.echo("Interrupted: everything is healed, nothing is judged.")
        return INTERRUPTED
    if not system.endpoints.databases:
        click.echo(f"unknown: no databases are known to judge by; the history is in {attack.folder}")
        return EXIT_CODE["unknown"]
    told = judge(attack, system.endpoints, click.echo)
    for each in told["invariants"]:
        click.echo(f"{each['verdict']:8} {each['name']}: {each['found']} of {each['checked']} broke it")
    click.echo("\n".join([f"{told['verdict']}: {attack.folder / 'report.html'}", *told["reasons"]]))
    if told["verdict"] == "invalid" and system.logs:
        click.echo(f"What the processes wrote is kept in {keep_logs(system.logs, attack.folder)}")
    if told["not_tried"]:
        click.echo(f"Not tried, since the orders ran out before: {'; '.join(told['not_tried'])}")
    elif note_largest(LARGEST, told):
        click.echo(f"The largest run so far: noted in {LARGEST}")
    return EXIT_CODE[told["verdict"]]


def keep_logs(logs: Path, folder: Path) -> Path:
    """Copy the logs of a stack beside its report: the stack may be gone soon, and with it why it failed."""
    return Path(shutil.copytree(logs, folder / "logs"))


# As a history names them, and as people read them.
_WORDS = {
    "place ok": "orders placed",
    "place fail": "orders refused",
    "place unknown": "orders without an answer",
    "repeat ok": "repeats answered",
    "repeat fail": "repeats refused (as those with another body must be)",
    "repeat unknown": "repeats without an answer",
}


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[kind]} {words}" for kind, words in _WORDS.items() if counts[kind])


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _versions() -> dict[str, str]:
    """Of what faults are borne by."""
    names = ("kafka-python", "confluent-kafka", "sqlalchemy", "psycopg", "flask")
    return {name: importlib.metadata.version(name) for name in names}


def _list() -> int:
    width = max(len(each.name) for each in SCENARIOS)
    for each in SCENARIOS:
        click.echo(f"{each.name:{width}}  {each.sentence}")
    return 0


def _size(
    scenario: Scenario, orders: float | None, duration: float | None, rate: float | None
) -> tuple[int, float]:
    """How many orders and how many a second; two of the three numbers make the third."""
    if orders and duration and rate:
        raise click.UsageError("give two of --orders, --duration and --rate: they make the third")
    if duration and rate:
        return max(1, round(duration * rate)), rate
    wanted = int(orders or scenario.orders)
    return wanted, wanted / duration if duration else rate or scenario.rate
