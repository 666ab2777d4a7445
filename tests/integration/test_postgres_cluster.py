"""The cluster of the wheel, started for real."""

import time
from pathlib import Path

import psycopg
import pytest

from stack import ports, postgres


@pytest.fixture
def port() -> int:
    return ports.free_offset() + ports.PORTS["postgres"]


def test_a_cluster_starts_with_the_settings_the_relays_need(tmp_path: Path, port: int):
    with postgres.cluster(tmp_path, port) as server, psycopg.connect(server.conninfo) as connection:
        settings = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())

    assert int(settings["server_version_num"]) >= 180_000
    assert settings["wal_level"] == "logical"
    assert settings["fsync"] == "on"
    assert settings["synchronous_commit"] == "on"
    assert settings["wal_sender_timeout"] == "10000"
    assert settings["listen_addresses"] == "127.0.0.1"
    assert settings["data_checksums"] == "on"


def test_a_wrong_password_is_refused(tmp_path: Path, port: int):
    with postgres.cluster(tmp_path, port, durable=False) as server:
        wrong = server.url.set(drivername="postgresql", password="wrong")

        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong.render_as_string(hide_password=False))


def test_no_role_may_copy_the_cluster_and_a_relay_may_follow_its_database(tmp_path: Path, port: int):
    with postgres.cluster(tmp_path, port, durable=False) as server:
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry for replication"):
            psycopg.connect(server.conninfo, replication="true")
        psycopg.connect(server.conninfo, replication="database").close()


def test_nothing_is_left_when_the_cluster_has_stopped(tmp_path: Path, port: int):
    with postgres.cluster(tmp_path, port, durable=False) as server:
        conninfo = server.conninfo

    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(conninfo)
    assert not (tmp_path / "postgres").exists()


def test_a_cluster_is_there_in_a_few_seconds(tmp_path: Path, port: int):
    began = time.monotonic()

    with postgres.cluster(tmp_path, port):
        seconds = time.monotonic() - began

    assert seconds < 10, "initdb and start together; about one second on an idle machine"


def test_data_that_is_there_is_kept(tmp_path: Path):
    home = postgres.find_home(tmp_path)
    password = tmp_path / "password"
    password.write_text("secret")
    postgres.initialize(home, password)
    made = (home.data / "PG_VERSION").stat().st_mtime_ns

    postgres.initialize(home, password)

    assert not list(tmp_path.glob("postgres.*")), "the superuser's password is in no other file"
    assert (home.data / "PG_VERSION").stat().st_mtime_ns == made
    postgres.forget(tmp_path)
