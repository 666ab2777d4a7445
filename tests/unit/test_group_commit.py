"""What comes together is done together, and nobody waits for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.waiting import until
from web import group_commit
from web.group_commit import GROUP_MAX, GroupCommit
from web.problems import Problem


class Commit:
    """Doubles each wish, a group at a time, once it may; refuses what is negative."""

    def __init__(self):
        self.groups, self.may = [], threading.Event()

    def __call__(self, wishes):
        self.groups.append(list(wishes))
        assert self.may.wait(10)
        if min(wishes) < 0:
            raise ValueError(wishes)
        return [2 * wish for wish in wishes]


@pytest.fixture
def commit():
    made = Commit()
    yield made
    made.may.set()


@pytest.fixture
def clients():
    with ThreadPoolExecutor(3 * GROUP_MAX) as pool:
        yield pool


def ask_in_turn(clients, commit, group, wishes):
    """The first is being done while the others come, one after the other."""
    asked = []
    for wish in wishes:
        asked.append(clients.submit(group.do, wish))
        until(
            lambda: len(commit.groups) == 1 and len(group) == len(asked) - 1,
            within_seconds=5,
            what="it to wait",
        )
    return asked


def test_one_that_comes_alone_is_a_group(commit):
    commit.may.set()
    group = GroupCommit(commit)

    assert [group.do(wish) for wish in (1, 2)] == [2, 4]
    assert commit.groups == [[1], [2]]


def test_those_that_come_meanwhile_are_done_together_and_in_their_order(commit, clients):
    group = GroupCommit(commit)
    asked = ask_in_turn(clients, commit, group, range(1, 6))

    commit.may.set()

    assert [each.result(5) for each in asked] == [2, 4, 6, 8, 10]
    assert commit.groups == [[1], [2, 3, 4, 5]]
    assert len(group) == 0


def test_a_group_has_an_end(commit, clients):
    group = GroupCommit(commit)
    asked = ask_in_turn(clients, commit, group, range(GROUP_MAX + 3))

    commit.may.set()

    assert [each.result(5) for each in asked] == [2 * n for n in range(GROUP_MAX + 3)]
    assert [len(each) for each in commit.groups] == [1, GROUP_MAX, 2]


def test_what_goes_wrong_is_told_to_all_of_the_group_and_to_nobody_else(commit, clients):
    group = GroupCommit(commit)
    asked = ask_in_turn(clients, commit, group, (1, 2, -3))

    commit.may.set()

    assert asked[0].result(5) == 2
    for each in asked[1:]:
        with pytest.raises(ValueError, match=r"2, -3"):
            each.result(5)
    assert group.do(4) == 8


def test_too_few_outcomes_are_nobodys(commit, clients):
    group = GroupCommit(lambda wishes: commit(wishes)[:1])
    asked = ask_in_turn(clients, commit, group, (1, 2, 3))

    commit.may.set()

    assert asked[0].result(5) == 2
    for each in asked[1:]:
        with pytest.raises(ValueError, match="shorter"):
            each.result(5)


def test_who_is_not_called_in_time_leaves_and_nothing_is_done_for_him(commit, clients, monkeypatch):
    group = GroupCommit(commit)
    asked = ask_in_turn(clients, commit, group, (1, 2))
    monkeypatch.setattr(group_commit, "TURN_SECONDS_MAX", 0.05)

    with pytest.raises(Problem, match="Nothing was changed") as late:
        group.do(3)
    commit.may.set()

    assert late.value.status == 503
    assert [each.result(5) for each in asked] == [2, 4]
    assert commit.groups == [[1], [2]]


def test_who_is_in_a_group_that_does_not_end_is_told_that_nobody_knows(commit, clients, monkeypatch):
    monkeypatch.setattr(group_commit, "TURN_SECONDS_MAX", 1.0)
    group = GroupCommit(commit)
    _, taken = ask_in_turn(clients, commit, group, (1, 2))
    group._queue.clear()  # as a leader takes it, who then hears nothing

    with pytest.raises(Problem, match="not known") as unsure:
        taken.result(10)

    assert unsure.value.status == 503


def test_many_at_once_get_each_what_is_theirs(commit, clients):
    commit.may.set()
    group = GroupCommit(commit)

    assert list(clients.map(group.do, range(5000))) == [2 * n for n in range(5000)]
    assert sorted(wish for each in commit.groups for wish in each) == list(range(5000))
