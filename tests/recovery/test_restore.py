"""Databases put back to a backup, older than their topics: docs/how-to/backup-and-restore.md, done."""

import json
import shutil
from contextlib import closing, contextmanager

import pytest
from rich.console import Console
from sqlalchemy import create_engine, text

from contracts.services import AUDIT, AUDITOR_ROLE
from runtime.waiting import until
from stack import launch
from stack.layout import Layout
from stack.prey import database
from tests.running_system import RunningSystem

# As the page tells it: whose events nobody has written.
ORDERS_OF_PHANTOMS = """
    SELECT DISTINCT key FROM records
    WHERE event_id IN (SELECT subject::uuid FROM findings WHERE kind = 'phantom') AND topic <> 'relay-canary'
"""


@pytest.fixture
def wish():
    with launch.temporary("restore") as wished:
        yield wished


@contextmanager
def running(wish):
    system = RunningSystem(Layout(state=wish.state, port_offset=wish.port_offset))
    with launch.running(wish, Console()), closing(system):
        yield system


def audited(system):
    return json.loads(system.run("audit", "--json").stdout.splitlines()[-1])


def red(report):
    return {each["name"] for each in report["invariants"] if each["verdict"] == "red"}


def at_rest(system):
    report = audited(system)
    return None if report["under_way"] else report


def repaired(system):
    """Whether nothing is missing any more; what was is sent again."""
    return system.run("audit", "repair", "--yes", "--reason", "put back").returncode == 0


def orders_of_phantoms(system):
    engine = create_engine(database(system.layout, AUDITOR_ROLE, AUDIT.database))
    with engine.connect() as connection:
        found = {str(key) for key in connection.execute(text(ORDERS_OF_PHANTOMS)).scalars()}
    engine.dispose()
    return found


def place(system, token="tok_ok"):
    order = system.place(token=token)
    system.final_status(order)
    return order


@pytest.mark.long
@pytest.mark.timeout(600)
def test_databases_that_are_older_than_their_topics_go_on(wish, tmp_path):
    backup = tmp_path / "backup"
    with running(wish) as system:
        kept = place(system)
        until(lambda: audited(system)["verdict"] == "green", within_seconds=60, what="a green verdict")
    cluster = (wish.state / "postgres").resolve()
    shutil.copytree(cluster, backup, symlinks=True)

    with running(wish) as system:
        gone = [place(system), place(system, "tok_declined")]
        until(lambda: audited(system)["verdict"] == "green", within_seconds=60, what="a green verdict")
        assert system.run("connect", "pause").returncode == 0
    owner = cluster.stat()
    shutil.rmtree(cluster)
    shutil.copytree(backup, cluster, symlinks=True)
    for path in [cluster, *cluster.rglob("*")]:
        shutil.chown(path, owner.st_uid, owner.st_gid)

    with running(wish) as system:
        early = system.place()
        done = system.run("connect", "recover", "--yes")
        resumed = system.run("connect", "resume")

        assert done.returncode == 0, done.stdout + done.stderr
        assert '"kind": "offsets-ahead"' in done.stdout
        assert resumed.returncode == 0
        until(
            lambda: repaired(system) and system.get(f"/orders/{early}")["status"] == "COMPLETED",
            within_seconds=120,
            what="the order that was placed before the relays were right",
        )
        assert system.get(f"/orders/{kept}")["status"] == "COMPLETED"
        assert system.final_status(system.place()) == "COMPLETED"
        report = until(lambda: at_rest(system), within_seconds=60, what="everything to be told")
        assert red(report) == {"S6"}
        assert set(gone) == orders_of_phantoms(system)
