"""Databases put back to a backup, older than their topics: docs/how-to/backup-and-restore.md, done."""

import json
import shutil
from contextlib import closing, contextmanager

import pytest
from rich.console import Console
from sqlalchemy import create_engine, text

from contracts.services import AUDIT
from runtime.waiting import until
from stack import launch
from stack.layout import Layout
from stack.prey import database
from tests.running_system import RunningSystem

# As the page tells it: whose events nobody has written.
ORDERS_OF_PHANTOMS = """
    SELECT DISTINCT key FROM records
    WHERE event_id IN (SELECT subject::uuid FROM findings WHERE kind = 'phantom') ORDER BY key
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
        assert system.get(f"/orders/{kept}")["status"] == "COMPLETED"
        report = until(
            lambda: (r := audited(system))["phantom"]["count"] and r, within_seconds=60, what="phantoms"
        )
        print("BEFORE", json.dumps(report, indent=1))
        assert "S6" in red(report)
        engine = create_engine(database(system.layout, "auditor", AUDIT.database))
        with engine.connect() as connection:
            named = list(connection.execute(text(ORDERS_OF_PHANTOMS)).scalars())
        engine.dispose()
        assert set(gone) <= set(named)

        planned = system.run("connect", "recover", "--dry-run")
        print("PLAN", planned.stdout, planned.stderr)
        done = system.run("connect", "recover", "--yes")
        print("DONE", done.stdout, done.stderr)
        resumed = system.run("connect", "resume")
        repaired = system.run("audit", "repair", "--yes", "--reason", "restored from the backup of Monday")
        print("REPAIR", repaired.stdout, repaired.stderr)

        assert resumed.returncode == 0
        order = system.place()
        assert system.final_status(order) == "COMPLETED"
        told = audited(system)
        print("AFTER", json.dumps(told, indent=1))
        assert red(told) <= {"S6"}
        assert told["lost"]["count"] == 0
