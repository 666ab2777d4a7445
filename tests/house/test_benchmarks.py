"""The page of figures says what is kept of the benchmarks."""

import re

from benchmarks.page import PAGE, PICTURES, measured, pictures, rendered


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
