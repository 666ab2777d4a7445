"""A browser for tests: Debian's chromium, driven by playwright; and axe, which finds barriers in pages.

tests/axe holds axe-core 4.14.1 as npm has it (MPL 2.0, its licence beside it); no page is served with it.
"""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parent / "axe" / "axe.min.js"
SERIOUS = {"serious", "critical"}
WIDE, NARROW = {"width": 1280, "height": 760}, {"width": 400, "height": 860}


@contextmanager
def browser():
    """Skips where there is no chromium, and says how to get it."""
    if not shutil.which(CHROMIUM):
        raise pytest.skip.Exception("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        # Its sandbox does not let root in; it opens nothing but pages of our own.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def tab(opened, *, scheme="light", size=WIDE, **options):
    """A tab that fails the test when the page breaks its own policy or throws."""
    context = opened.new_context(color_scheme=scheme, viewport=size, reduced_motion="reduce", **options)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    try:
        yield page
    finally:
        context.close()
    refused = [each for each in wrong if "the server responded with a status" not in each]
    assert refused == [], "what the browser's console says"


def barriers(page):
    """What axe finds that is serious: rule, and the first places."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run({resultTypes: ['violations']})")
    return [
        (each["id"], [place["target"] for place in each["nodes"][:3]])
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]
