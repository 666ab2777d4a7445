"""How far back a look goes: to the beginning, or to where the last one left off."""

import pytest

from runtime.lookback import EVER_SECONDS, OVERLAP_SECONDS, LookBack


@pytest.fixture
def now():
    """A clock's time, which a test moves on."""
    return [1000.0]


@pytest.fixture
def look_back(now):
    return LookBack(5.0, clock=lambda: now[0])


def look(look_back, *behind):
    seconds = look_back.begin()
    look_back.end(*behind)
    return seconds


def test_the_first_goes_to_the_beginning(look_back):
    assert look_back.begin() == EVER_SECONDS


def test_others_go_back_to_the_last_and_a_little_further(look_back, now):
    look(look_back)

    for passed in (1.0, 2.0):
        now[0] += passed
        assert look(look_back) == passed + OVERLAP_SECONDS


def test_what_one_has_left_is_within_the_next(look_back, now):
    look(look_back, 30.0)

    now[0] += 1
    assert look(look_back, 20.0) == 31.0 + OVERLAP_SECONDS
    now[0] += 1
    assert look_back.begin() == 21.0 + OVERLAP_SECONDS


def test_once_in_a_while_one_goes_to_the_beginning_again(look_back, now):
    look(look_back)
    now[0] += 4
    look(look_back)

    now[0] += 1
    assert look(look_back) == EVER_SECONDS
    now[0] += 1
    assert look_back.begin() == 1.0 + OVERLAP_SECONDS


def test_one_whose_end_was_never_told_counts_for_nothing(look_back, now):
    """The database failed, or there was something that is still to be done."""
    look_back.begin()
    now[0] += 1
    assert look(look_back) == EVER_SECONDS

    now[0] += 1
    look_back.begin()
    now[0] += 1
    assert look_back.begin() == 2.0 + OVERLAP_SECONDS
