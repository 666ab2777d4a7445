import pytest

from connect.health import ConnectorStatus, TaskStatus, Verdict, parse, problems


def connector(state="RUNNING", *tasks, name="order-outbox"):
    found = tuple(TaskStatus(number, task, "worker:1") for number, task in enumerate(tasks))
    return ConnectorStatus(name, state, "worker:1", found)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (connector("RUNNING", "RUNNING"), Verdict.HEALTHY),
        (connector("RUNNING", "FAILED"), Verdict.FAILED),
        (connector("FAILED", "RUNNING"), Verdict.FAILED),
        (connector("RUNNING", "RUNNING", "FAILED"), Verdict.FAILED),
        (connector("UNASSIGNED", "FAILED"), Verdict.FAILED),
        (connector("RUNNING", "UNASSIGNED"), Verdict.DEGRADED),
        (connector("PAUSED", "PAUSED"), Verdict.DEGRADED),
        (connector("RUNNING", "RESTARTING"), Verdict.DEGRADED),
        (connector("RUNNING"), Verdict.DEGRADED),
    ],
)
def test_connector_is_as_bad_as_its_worst_part(status, verdict):
    assert status.verdict is verdict


@pytest.mark.parametrize(
    ("status", "stands"),
    [
        (connector("STOPPED"), True),
        (connector("STOPPED", "UNASSIGNED"), True),
        (connector("STOPPED", "RUNNING"), False),
        (connector("STOPPED", "UNASSIGNED", "RUNNING"), False),
        (connector("RUNNING", "UNASSIGNED"), False),
        (connector("PAUSED"), False),
    ],
)
def test_a_stopped_connector_stands_once_no_worker_has_a_task_of_it(status, stands):
    """What a deleted connector's task said last may be all that is known of the next one's."""
    assert status.stands is stands


def test_answer_of_connect_is_read_with_the_trace_of_what_failed():
    answer = {
        "order-outbox": {
            "status": {
                "name": "order-outbox",
                "connector": {"state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "3.7.0.Final"},
                "tasks": [
                    {"id": 0, "state": "FAILED", "worker_id": "127.0.0.1:8084", "trace": "Broken: x\n\tat y"}
                ],
                "type": "source",
            }
        }
    }

    found = parse(answer)["order-outbox"]

    assert found.tasks == (TaskStatus(0, "FAILED", "127.0.0.1:8084", "Broken: x\n\tat y"),)
    assert found.summary() == "connector RUNNING, task 0 FAILED: Broken: x"


def test_what_a_person_has_paused_is_no_problem():
    held = {"order-outbox": connector("PAUSED", "PAUSED")}

    assert problems(["order-outbox"], held) == {}


def test_problems_name_what_is_missing_and_what_is_not_well():
    found = {
        "order-outbox": connector("RUNNING", "RUNNING"),
        "payment-outbox": connector("RUNNING", "FAILED", name="payment-outbox"),
        "someone-elses": connector("FAILED", name="someone-elses"),
    }

    assert problems(["order-outbox", "payment-outbox", "inventory-outbox"], found) == {
        "inventory-outbox": "not registered",
        "payment-outbox": "connector RUNNING, task 0 FAILED",
    }
