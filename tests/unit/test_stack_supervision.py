"""Back-off, disk, logs, credentials and the record: the parent's smaller parts."""

import fcntl
import threading
from pathlib import Path

import pytest

from stack import credentials, disk, keeper, launch, logfiles, record, topology
from stack.errors import NotReady, StackError
from stack.layout import Layout
from stack.node import Kind
from stack.record import Phase, StackRecord


def test_deaths_in_a_row_make_the_pauses_grow_up_to_a_bound():
    longest = [max(keeper.PAUSES.pause(failures) for _ in range(50)) for failures in range(12)]

    assert longest[0] < longest[3] < longest[5]
    assert max(longest) <= 10


def test_brokers_rest_before_they_start_again_and_nobody_else_does():
    nodes = topology.nodes(Layout(state=Path("/state")))
    rest = {node.kind: keeper.pause(node, failures=1) for node in nodes}

    assert rest.pop(Kind.BROKER) == topology.BROKER_REST_SECONDS
    assert max(rest.values()) < 1


def test_a_good_run_ends_a_series_of_deaths():
    assert keeper.failures_in_a_row(5, lasted_seconds=1, was_ready=True) == 6
    assert keeper.failures_in_a_row(5, lasted_seconds=keeper.STEADY_SECONDS, was_ready=True) == 1


def test_what_fails_slowly_before_it_is_ready_still_fails():
    assert keeper.failures_in_a_row(2, lasted_seconds=keeper.STEADY_SECONDS, was_ready=False) == 3


@pytest.mark.parametrize(
    ("free", "taken", "kept"),
    [(0, 0, 1024), (40_000, 0, 10_000), (31_000, 9_000, 10_000), (10_000_000, 0, 65_536)],
)
def test_a_slot_holds_back_a_share_of_the_disk_whatever_it_holds_back_already(free, taken, kept):
    assert disk.slot_wal_keep_mb(free, taken) == kept


def test_what_the_log_takes_up_is_its_segments(tmp_path: Path):
    assert disk.wal_mb(tmp_path / "pg_wal") == 0

    folder = tmp_path / "pg_wal"
    (folder / "archive_status").mkdir(parents=True)
    for name in ("000000010000000000000001", "0000000100000000000000AF", "xlogtemp.77"):
        with (folder / name).open("wb") as segment:
            segment.truncate(16 * disk.MB)

    assert disk.wal_mb(folder) == 32


def test_a_start_is_refused_when_too_little_disk_is_free(tmp_path: Path):
    disk.check(tmp_path, mb_min=0)

    with pytest.raises(NotReady, match=r"are needed: make room first"):
        disk.check(tmp_path, mb_min=disk.free_mb(tmp_path) * 2 + 1)


def test_a_running_stack_is_warned_when_little_disk_is_free(tmp_path: Path):
    assert disk.warning(tmp_path, mb_min=0) is None
    assert str(tmp_path) in (disk.warning(tmp_path, mb_min=disk.free_mb(tmp_path) * 2 + 1) or "")


def test_a_log_that_is_too_long_is_copied_and_emptied_while_its_writer_goes_on(tmp_path: Path):
    path = tmp_path / "order.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 10)

        logfiles.rotate(tmp_path, bytes_max=10)
        writer.write(b"new\n")

    assert path.read_text() == "new\n"
    assert (tmp_path / "order.log.1").read_text() == "old\n" * 10


def test_only_so_many_old_logs_are_kept(tmp_path: Path):
    for number in range(6):
        (tmp_path / "order.log").write_text(f"{number}" * 20)
        logfiles.rotate(tmp_path, bytes_max=10)

    kept = {path.name: path.read_text()[0] for path in tmp_path.glob("order.log.*")}
    assert kept == {"order.log.1": "5", "order.log.2": "4", "order.log.3": "3"}


def test_the_end_of_a_log(tmp_path: Path):
    (tmp_path / "a.log").write_text("one\ntwo\nthree\n")

    assert logfiles.tail(tmp_path / "a.log", 2) == ["two", "three"]
    assert logfiles.tail(tmp_path / "a.log", 0) == []
    assert logfiles.tail(tmp_path / "none.log", 2) == []


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path):
    folder = tmp_path / "secrets"
    credentials.make(folder, tmp_path / "webhook")
    made = {path.name: path.read_text() for path in folder.iterdir()}

    credentials.make(folder, tmp_path / "webhook")

    assert {path.name: path.read_text() for path in folder.iterdir()} == made
    assert set(made) == set(credentials.NAMES)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())


def test_what_a_killed_demonstration_left_is_swept_and_nothing_else(tmp_path: Path):
    for name in ("killed", "running", "kept"):
        (tmp_path / name).mkdir()
    for name in ("killed", "running"):
        (tmp_path / name / launch.OWNER).touch()
    with (tmp_path / "running" / launch.OWNER).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        launch.sweep(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"running", "kept"}


def test_a_folder_has_one_parent(tmp_path: Path):
    with record.only_parent(tmp_path):
        with pytest.raises(StackError, match="another stack"), record.only_parent(tmp_path):
            pass
        assert record.running_parent(tmp_path) is not None

    assert record.running_parent(tmp_path) is None


def test_a_parent_starts_beside_those_who_ask_whether_one_runs(tmp_path: Path):
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (asking, fcntl.LOCK_UN)).start()

        with record.only_parent(tmp_path):
            assert record.running_parent(tmp_path) is not None


def test_the_record_of_a_parent_that_is_gone_is_not_taken_for_running(tmp_path: Path):
    record.write(tmp_path, StackRecord(parent=1, phase=Phase.READY, port_offset=0))

    assert record.read(tmp_path) is not None
    assert record.read_running(tmp_path) is None
