"""The page of figures says what is kept of the benchmarks."""

import re

import pytest

from benchmarks import reach
from benchmarks.keeping import measured
from benchmarks.page import PAGE, PICTURES, pictures, rendered
from benchmarks.reach import Wish


def test_the_page_and_its_pictures_are_what_the_command_writes():
    page = PAGE.read_text()

    assert rendered(page) == page, "./run bench page"
    for path, drawing in pictures().items():
        assert path.read_text() == drawing, f"{path.name}: ./run bench page"


def test_every_benchmark_that_is_drawn_is_on_the_page():
    assert set(PICTURES) <= set(re.findall(r"<!-- figures of (\w+) -->", PAGE.read_text()))


def test_a_figure_is_found_by_its_path_and_single_rounds_are_not():
    spread = {"min": 1, "median": 2, "max": 3, "n": 3}

    found = dict(measured({"slow": {"p50": spread}, "rounds": [{"p50": 7}], "cores": 2}))

    assert found == {"slow.p50": spread}


@pytest.mark.parametrize("wish", reach.WISHES, ids=lambda wish: wish.what)
def test_what_is_wanted_is_measured(wish):
    assert reach.figure(wish) is not None


@pytest.mark.parametrize(
    ("must", "aim", "found"),
    [
        (0.5, 1, {0.4: "**no**", 0.5: "yes", 1.0: "yes, and what was hoped for"}),
        (30, 12, {31: "**no**", 30: "yes", 12: "yes, and what was hoped for"}),
    ],
)
def test_more_is_better_unless_less_is_hoped_for(must, aim, found):
    wish = Wish("it", must, aim, ("saga", "ratio"))

    assert {each: wish.verdict(each) for each in found} == found
