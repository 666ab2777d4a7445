"""`./run doctor`: whether everything that the promise rests on is in place, in the system that runs."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path

import click
import psutil
from sqlalchemy import URL, make_url

from connect.doctor import Finding
from doctor import report
from doctor.facts import Machine, Program, Silence, Wanted
from doctor.gather import Access, gather
from doctor.report import Report
from doctor.versions import KAFKA_CLIENT
from migrations.database import OWNERS, migrator_url
from stack import disk, java, kafka, postgres, postgres_home, recovery, status
from stack.access import layout_of, running
from stack.layout import Layout
from stack.node import Kind
from stack.options import json_option, state_option
from stack.record import NodeRecord, Phase, StackRecord

_java_major = cache(java.major)
SET_OF = {Kind.BROKER: "broker", Kind.CONNECT: "connect"}


@click.command("doctor")
@json_option
@state_option
def doctor_command(as_json: bool, state: Path) -> int:
    """Say what is not as the promise needs it, why that matters, and what helps. Reads only.

    Exits with 0 when all is well, 1 with findings, 2 when something could not be looked at, 3 when nothing
    runs.
    """
    layout = layout_of(state)
    told = examine(layout, running(state))
    if as_json:
        click.echo(json.dumps(_as_json(told)))
    else:
        _show(told)
    return told.exit_code


def examine(layout: Layout, now: StackRecord) -> Report:
    """Look at everything once; takes some ten seconds."""
    access = Access(
        relays=recovery.access(layout),
        workers=tuple(layout.connect_urls.split(",")),
        histories={room: migrator_url(room, _cluster(layout), layout.secrets) for room in OWNERS},
    )
    return report.examine(gather(access, _machine(layout, now), wanted()), wanted())


def wanted() -> Wanted:
    """What the stack gives Postgres and the brokers, and asks of this machine."""
    return Wanted(
        postgres=postgres.SETTINGS,
        brokers=kafka.SETTINGS,
        postgres_major=postgres_home.OLDEST_MAJOR,
        java_major=java.OLDEST_MAJOR,
        free_mb_min=disk.WARN_MB_MIN,
    )


def _cluster(layout: Layout) -> URL:
    return make_url(layout.database_url(postgres.SUPERUSER, "postgres"))


def _machine(layout: Layout, now: StackRecord) -> Machine:
    programs: dict[tuple[str, str], Program] = {}
    silences = list(_under_way(now))
    for node in now.processes:
        if set_name := SET_OF.get(node.kind):
            try:
                programs[set_name, node.name] = _program(node)
            except (psutil.Error, OSError) as error:
                silences.append(Silence.after(f"process {node.name}", error))
    # Where an account of its own cannot enter the state folder, the database lies elsewhere.
    folders = {layout.state, (layout.state / "postgres").resolve()}
    return Machine(
        programs=programs,
        free_mb={str(folder): disk.free_mb(folder) for folder in sorted(folders) if folder.exists()},
        packages={KAFKA_CLIENT: version(KAFKA_CLIENT)},
        silences=tuple(silences),
    )


def _under_way(now: StackRecord) -> Iterator[Silence]:
    if now.phase is not Phase.READY:
        yield Silence("the stack", f"it is {now.phase}: what is missing may still come")


def _program(node: NodeRecord) -> Program:
    """A JVM as it was started. Raises psutil.Error where it does not run."""
    if node.pid is None:
        raise psutil.NoSuchProcess(0, node.name, f"it is {node.state}")
    process = psutil.Process(node.pid)
    words = process.cmdline()
    path = words[words.index("-cp") + 1] if "-cp" in words else ""
    names = frozenset(Path(each).name for each in path.split(":") if each)
    return Program(_java_major(process.exe()), names)


def _as_json(told: Report) -> dict[str, object]:
    verdict = next(word for word, code in status.EXIT_CODE.items() if code == told.exit_code)
    return {
        "verdict": verdict,
        "findings": [asdict(each) for each in told.findings],
        "unseen": [asdict(each) for each in told.unseen],
        "seen": told.seen,
    }


def _show(told: Report) -> None:
    for each in told.findings:
        show_finding(each)
    for silence in told.unseen:
        click.echo(f"unseen   {silence.source}: {silence.why}")
    click.echo(", ".join(f"{name} {value}" for name, value in told.seen.items() if value))
    if told.exit_code == 0:
        click.echo("All is well: everything that the promise rests on is in place.")
    elif not told.findings:
        click.echo("Nothing was found; but not everything could be looked at.")


def show_finding(found: Finding) -> None:
    click.echo(f"{found.severity:8} {found.subject}: {found.what}")
    click.echo(f"         why:    {found.why}")
    click.echo(f"         remedy: {found.remedy}")
