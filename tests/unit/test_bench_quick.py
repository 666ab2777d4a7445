"""When `./run bench --quick` fails, and when it is run."""

import pytest
from click.testing import CliRunner

from benchmarks.quick import collapsed, table
from stack import trials

BASELINE = {"api ÷ pgbench": 2.0, "batches ÷ one at a time": 8.0}


@pytest.mark.parametrize(
    ("found", "bad"),
    [
        ({"api ÷ pgbench": 2.0, "batches ÷ one at a time": 8.0}, []),
        ({"api ÷ pgbench": 1.0, "batches ÷ one at a time": 40.0}, []),
        ({"api ÷ pgbench": 0.9, "batches ÷ one at a time": 8.0}, ["api ÷ pgbench"]),
        ({"api ÷ pgbench": 2.0, "batches ÷ one at a time": 8.0, "new": 0.1}, []),
        ({"api ÷ pgbench": 2.0}, []),
    ],
    ids=["as it was", "half and more", "below half", "without a baseline", "not asked any more"],
)
def test_only_what_fell_below_half_has_collapsed(found, bad):
    assert collapsed(found, BASELINE) == bad


def test_every_ratio_has_a_line():
    assert table({**BASELINE, "new": 1.0}, BASELINE).row_count == 3


@pytest.fixture
def asked(monkeypatch):
    """The modules that are started, in their order; every one of them ends well."""
    modules = []

    class Done:
        returncode = 0

    def run(command, **_):
        modules.append(command[2:])
        return Done()

    monkeypatch.setattr(trials.subprocess, "run", run)
    monkeypatch.setattr(trials, "_run_on_leash", lambda command: run(command).returncode)
    monkeypatch.setattr(trials.fetching, "fetch", lambda _: None)
    return modules


@pytest.mark.parametrize(("options", "told"), [([], []), (["--keep"], ["--keep"])])
def test_it_is_asked_for_by_an_option(asked, options, told):
    CliRunner().invoke(trials.bench_command, ["--quick", *options])

    assert asked == [["benchmarks.quick", *told]]


@pytest.mark.parametrize("arguments", [["--keep"], ["--quick", "api"]])
def test_a_name_and_a_baseline_alone_mean_nothing(asked, arguments):
    assert CliRunner().invoke(trials.bench_command, arguments).exit_code == 2
    assert asked == []


BOTH_HALVES = ["pytest", "pytest"]


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        ([], [*BOTH_HALVES, "benchmarks.quick"]),
        (["full"], [*BOTH_HALVES, "benchmarks.quick"]),
        (["unit"], ["pytest"]),
        (["-k", "saga"], BOTH_HALVES),
    ],
)
def test_it_follows_all_tests_and_no_part_of_them(asked, arguments, run):
    CliRunner().invoke(trials.test_command, arguments)

    assert [module for module, *_ in asked] == run


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((0, 0), 0), ((1, 0), 1), ((0, 1), 1), ((0, 5), 0), ((5, 0), 0), ((5, 5), 1), ((2, 5), 1)],
)
def test_tests_that_are_chosen_may_all_be_in_one_half(monkeypatch, codes, expected):
    """5 is pytest's code where none was chosen."""
    ends = iter(codes)
    monkeypatch.setattr(trials, "_pytest", lambda *_: next(ends))
    monkeypatch.setattr(trials.fetching, "fetch", lambda _console: None)

    done = CliRunner().invoke(trials.test_command, ["-k", "saga"], standalone_mode=False)

    assert done.return_value == expected
