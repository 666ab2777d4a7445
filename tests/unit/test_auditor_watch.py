"""The auditor's loop goes on when a part of the system is away, and says so."""

import threading

import pytest
from confluent_kafka import KafkaError, KafkaException
from sqlalchemy.exc import OperationalError

from audit.auditor import Watch
from audit.topics import TopicsUnreadable


class Away:
    """An auditor that cannot read, and then can."""

    def __init__(self, stop, error):
        self.stop, self.errors = stop, [error]

    def round(self):
        if self.errors:
            raise self.errors.pop()
        self.stop.set()
        return {"verdict": "green", "reasons": [], "behind": False}


AWAY = {
    "a broker did not answer in time": TimeoutError(),
    "no broker answers": KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN)),
    "a topic cannot be read": TopicsUnreadable("topic order-created"),
    "a database is gone": OperationalError("SELECT 1", {}, Exception("gone")),
}


@pytest.mark.parametrize("error", AWAY.values(), ids=AWAY.keys())
def test_a_round_that_fails_is_told_and_followed_by_another(logged, error, monkeypatch):
    monkeypatch.setattr("audit.auditor.EVERY_SECONDS", 0.01)
    stop = threading.Event()
    watch = Watch(Away(stop, error), stop)

    watch.run()

    assert [line["verdict"] for line in logged()] == ["grey", "green"]
    assert watch.problems() == {}
