from connect.health import Verdict
from connect.restarts import HOPELESS_AFTER, RECOVERED_SECONDS, Restarts


def failing_until_hopeless(restarts):
    now = 0.0
    for _ in range(HOPELESS_AFTER):
        restarts.note("c", now)
        now += 100
    return now


def test_only_what_failed_is_restarted():
    restarts = Restarts()

    assert restarts.due("c", Verdict.FAILED, now=0)
    assert not restarts.due("c", Verdict.DEGRADED, now=0)
    assert not restarts.due("c", Verdict.HEALTHY, now=0)


def test_next_restart_waits_longer_each_time():
    restarts = Restarts()

    restarts.note("c", now=0)
    assert not restarts.due("c", Verdict.FAILED, now=0.4)
    assert restarts.due("c", Verdict.FAILED, now=1)

    restarts.note("c", now=1)
    assert not restarts.due("c", Verdict.FAILED, now=1.9)
    assert restarts.due("c", Verdict.FAILED, now=3)


def test_one_connectors_pause_does_not_hold_up_another():
    restarts = Restarts()

    restarts.note("c", now=0)

    assert restarts.due("other", Verdict.FAILED, now=0)


def test_many_restarts_in_vain_call_for_a_person_and_go_on():
    restarts = Restarts()

    now = failing_until_hopeless(restarts)

    assert restarts.due("c", Verdict.FAILED, now)
    assert restarts.note("c", now) == (HOPELESS_AFTER + 1, True)


def test_short_recovery_does_not_reset_the_count():
    restarts = Restarts()
    now = failing_until_hopeless(restarts)

    restarts.due("c", Verdict.HEALTHY, now)
    restarts.due("c", Verdict.HEALTHY, now + RECOVERED_SECONDS - 1)
    restarts.due("c", Verdict.FAILED, now + RECOVERED_SECONDS)

    assert restarts.note("c", now + RECOVERED_SECONDS) == (HOPELESS_AFTER + 1, True)


def test_lasting_recovery_resets_the_count():
    restarts = Restarts()
    now = failing_until_hopeless(restarts)

    restarts.due("c", Verdict.HEALTHY, now)
    restarts.due("c", Verdict.HEALTHY, now + RECOVERED_SECONDS)

    assert restarts.note("c", now + RECOVERED_SECONDS) == (1, False)
