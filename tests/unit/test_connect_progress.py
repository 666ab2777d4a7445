from dataclasses import replace

from connect.progress import WEDGED_SECONDS, Sight, Watch

RUNNING = Sight(written=1000, flushed=900, restart=800, active=True, wal_status="reserved", beat_age=1.0)


def looked_on(*sights, every=10.0):
    """How long the relay counts as stalled after a look every ten seconds."""
    watch = Watch()
    return [watch.stalled_seconds("c", sight, number * every) for number, sight in enumerate(sights)]


def test_a_relay_that_moves_is_never_stalled():
    sights = [replace(RUNNING, written=1000 + n, flushed=900 + n) for n in range(5)]

    assert looked_on(*sights) == [0, 0, 0, 0, 0]


def test_a_relay_stands_still_while_wal_grows_and_its_heartbeats_go_on():
    """A producer whose topic is gone waits for ever; the heartbeat rows are another thread's."""
    sights = [replace(RUNNING, written=1000 + n) for n in range(5)]

    assert looked_on(*sights) == [0, 10, 20, 30, 40]
    assert WEDGED_SECONDS == 30


def test_a_database_in_which_nothing_is_written_asks_nothing_of_its_relay():
    assert looked_on(RUNNING, RUNNING, RUNNING) == [0, 0, 0]


def test_a_relay_without_a_slot_that_it_could_use_is_not_called_wedged():
    for useless in (replace(RUNNING, wal_status="lost"), replace(RUNNING, wal_status=None, flushed=None)):
        sights = [replace(useless, written=1000 + n) for n in range(5)]

        assert looked_on(*sights) == [0, 0, 0, 0, 0]


def test_one_step_begins_the_wait_anew():
    sights = [
        RUNNING,
        replace(RUNNING, written=1001),
        replace(RUNNING, written=1002, flushed=950),
        replace(RUNNING, written=1003, flushed=950),
    ]

    assert looked_on(*sights) == [0, 10, 0, 10]


def test_what_is_forgotten_is_judged_from_then_on():
    watch = Watch()
    watch.stalled_seconds("c", RUNNING, 0)
    watch.forget("c")

    assert watch.stalled_seconds("c", replace(RUNNING, written=1001), 100) == 0
    assert watch.stalled_seconds("c", replace(RUNNING, written=1002), 101) == 1


def test_what_is_kept_for_a_relay_reaches_from_its_restart_to_the_end():
    assert RUNNING.retained == 200
    assert Sight(written=1000).retained == 0
