"""`./run bench` as a person types it."""

import ast

import pytest
from click.testing import CliRunner

from stack.layout import ROOT
from stack.trials import bench_command, questions


def bench(*arguments):
    return CliRunner().invoke(bench_command, arguments)


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_the_list_names_every_benchmark_with_its_question(arguments):
    lines = bench(*arguments).output.splitlines()

    assert [line.split(maxsplit=1)[0] for line in lines] == list(questions())
    assert all(len(line.split()) > 5 for line in lines)


@pytest.mark.parametrize("name", questions())
def test_what_is_listed_is_a_program(name):
    tree = ast.parse((ROOT / "benchmarks" / f"{name}.py").read_text())

    assert "main" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert questions()[name]


def test_what_benchmarks_share_is_not_listed():
    assert {"databases", "system"}.isdisjoint(questions())


def test_an_unknown_name_is_told_with_those_there_are():
    done = bench("no-such-thing")

    assert done.exit_code == 2
    assert "'no-such-thing' is not one of api, audit" in done.output


def test_options_go_to_the_benchmark(capfd):
    done = CliRunner().invoke(bench_command, ["api", "--help"], standalone_mode=False)

    assert done.return_value == 0
    assert "--rounds" in capfd.readouterr().out
