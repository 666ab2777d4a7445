"""A copy of the sources with another number of partitions says that number wherever a stack reads it."""

import json
import subprocess
import sys

import pytest

from benchmarks import copies
from benchmarks.scale import WAYS, ratios
from contracts.services import SERVICES
from contracts.topics import PARTITIONS
from stack import launch
from stack.layout import ROOT

ASKED = (
    "import json; from contracts.topics import MESSAGE_TOPICS;"
    " print(json.dumps(sorted({topic.partitions for topic in MESSAGE_TOPICS})))"
)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """A copy that failed stays: not beside a person's stacks."""
    monkeypatch.setattr(launch, "DEFAULT_STATE", tmp_path)


@pytest.fixture
def copy():
    with copies.with_partitions(5) as place:
        yield place


def test_every_topic_of_the_copy_has_so_many_partitions(copy):
    told = subprocess.run(
        [sys.executable, "-c", ASKED], cwd=copy, capture_output=True, text=True, check=True, timeout=60
    )

    assert json.loads(told.stdout) == [5]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_so_would_topics_that_connect_makes(copy, service):
    file = f"connect/connectors/{service.name}-outbox.json"
    ours, theirs = (json.loads((folder / file).read_text()) for folder in (ROOT, copy))

    assert theirs == {**ours, "topic.creation.default.partitions": "5"}


def test_nothing_of_it_is_left():
    with copies.with_partitions(5) as place:
        pass

    assert not place.exists()


def test_a_place_that_does_not_say_the_number_once_is_told(monkeypatch):
    monkeypatch.setattr(copies, "PLACES", {"contracts/topics.py": r"(?<=^PARTITION = )\d+"})

    with pytest.raises(LookupError, match="0 times"), copies.with_partitions(5):
        pass


def test_the_usual_way_is_first_and_has_as_many_partitions_as_contracts_say():
    assert next(iter(WAYS.values())).partitions == PARTITIONS


def test_ratios_are_to_the_first():
    rates = {"as usual": 200.0, "2 workers": 150.0}

    found = ratios({name: {"sagas_a_second": {"median": rate}} for name, rate in rates.items()})

    assert found == {"as usual": 1.0, "2 workers": 0.75}
