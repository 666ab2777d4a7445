"""`./run chaos` as a person types it, and a system of somebody's own."""

import json
import os

import pytest
from click.testing import CliRunner

from chaos.scenarios import BY_NAME
from stack.attacks import chaos_command, keep_logs
from stack.errors import NotReady


def chaos(*arguments):
    return CliRunner().invoke(chaos_command, arguments)


def test_the_list_names_every_scenario_with_a_sentence():
    lines = chaos("list").output.splitlines()

    assert [line.split(maxsplit=1)[0] for line in lines] == list(BY_NAME)
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no-such-thing"], "./run chaos list"),
        (["broker-kill", "--orders", "5", "--duration", "5", "--rate", "1"], "give two"),
        (["broker-kill", "--orders", "0"], "--orders"),
    ],
)
def test_wrong_usage_is_told_and_is_no_verdict(arguments, told):
    done = chaos(*arguments)

    assert done.exit_code == 2
    assert told in done.output


def test_a_report_is_never_written_over(tmp_path):
    (tmp_path / "result.json").touch()

    done = chaos("broker-kill", "--report", str(tmp_path))

    assert done.exit_code == 2
    assert "holds something already" in done.output


def test_a_stack_that_does_not_run_cannot_be_attacked(tmp_path):
    done = chaos("broker-kill", "--state", str(tmp_path), "--report", str(tmp_path / "report"))

    assert isinstance(done.exception, NotReady)


@pytest.mark.parametrize(
    ("scenario", "lacks"), [("partition", "a proxy"), ("poison", "operator"), ("consumer-pause", "workers")]
)
def test_a_system_that_lacks_what_a_scenario_needs_is_not_touched(tmp_path, scenario, lacks):
    described = {
        "bootstrap_servers": "127.0.0.1:1",
        "urls": {"order": "http://127.0.0.1:1"},
        "targets": [{"name": "mine", "kind": "worker", "pid_command": f"echo {os.getpid()}"}],
    }
    path = tmp_path / "targets.json"
    path.write_text(json.dumps(described))

    done = chaos(scenario, "--targets", str(path), "--report", str(tmp_path / "report"))

    assert done.exit_code == 2
    assert lacks in done.output


def test_the_logs_of_a_stack_are_kept_beside_the_report(tmp_path):
    logs = tmp_path / "stack" / "logs"
    logs.mkdir(parents=True)
    (logs / "broker-1.log").write_text("why")

    kept = keep_logs(logs, tmp_path / "report")

    assert kept == tmp_path / "report" / "logs"
    assert (kept / "broker-1.log").read_text() == "why"
