"""The dashboard in a browser, on a whole system: an order followed live; where time allows, all else."""

import re
from pathlib import Path

import pytest

from contracts.services import INVENTORY, ORDER
from runtime.waiting import until
from tests.browser import NARROW, WIDE, barriers, browser, tab
from tests.invariants import assert_nothing_lost_or_doubled

SCREENSHOTS = Path(__file__).parents[2] / "docs" / "screenshots"
SCREENSHOT_BYTES_MAX = 150_000
# Of a list that goes on, the head is enough to see what it is.
HEAD = {"x": 0, "y": 0, "width": WIDE["width"], "height": 520}
LIVE_MS = 30_000
SCREENS = {
    "overview": "/",
    "orders": "/sagas",
    "connectors": "/connectors",
    "topics": "/topics",
    "dead-letters": "/dead-letters",
    "audit": "/audit",
    "log": "/log",
    "login": "/login",
}


@pytest.fixture(scope="module")
def opened():
    with browser() as chromium:
        yield chromium


@pytest.fixture
def desk(system):
    """The dashboard's address."""
    return system.layout.url("dashboard")


def sign_in(page, desk, system):
    page.goto(f"{desk}/login?then=/log")
    page.get_by_label("Your name").fill("anna")
    page.get_by_label("Token").fill((system.layout.secrets / "operator_token").read_text().strip())
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Signed in as anna").wait_for()


def picture(page, name, **how):
    """Kept for README; its size, in bytes."""
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, **how)
    return path.stat().st_size


def headline(page):
    return page.locator("[data-announce]")


def test_an_order_is_followed_live_from_the_first_word_to_the_last(system, desk, opened):
    """Nobody makes the charge until the page has said that it is waited for."""
    with tab(opened) as page:
        with system.frozen("payment-executor"):
            order = system.place()
            page.goto(f"{desk}/orders/{order}")
            page.get_by_text("It waits for payment.captured.v1").first.wait_for(timeout=LIVE_MS)
        headline(page).get_by_text("COMPLETED after").wait_for(timeout=LIVE_MS)
        page.get_by_text("it is not read again").or_(page.get_by_role("button", name="Pause")).wait_for()
        until(
            lambda: page.get_by_text("not yet", exact=True).count() == 0,
            within_seconds=30,
            what="every event to be seen",
        )
        assert page.locator("table.chart tbody tr").count() >= 8
        assert re.search(r"payment-commands \d@\d+", page.content())


@pytest.mark.long
def test_a_failed_connector_is_seen_and_restarted_from_its_page(system, desk, opened, as_superuser):
    """The relay's password is changed under it; the supervisor, who would restart it too, stands still."""
    role = ORDER.role("relay")
    right = (system.layout.secrets / role).read_text().strip()
    with system.frozen("connect-supervisor"), tab(opened) as page:
        sign_in(page, desk, system)
        as_superuser(f"ALTER ROLE {role} PASSWORD 'another'")
        as_superuser(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
        order = system.place()
        page.goto(f"{desk}/connectors")
        mend = page.locator(f"#mend-{ORDER.connector}")
        mend.wait_for(timeout=60_000)
        assert "order-outbox does not relay" in headline(page).inner_text()
        assert page.locator("pre.trace").first.inner_text()
        assert picture(page, "connector-failed-light") < SCREENSHOT_BYTES_MAX
        page.goto(f"{desk}/orders/{order}")
        page.get_by_text("the relay of order is FAILED").first.wait_for(timeout=LIVE_MS)
        assert picture(page, "order-waits-light") < SCREENSHOT_BYTES_MAX

        as_superuser(f"ALTER ROLE {role} PASSWORD '{right}'")
        page.goto(f"{desk}/connectors")
        mend.click()

        headline(page).get_by_text("Every relay runs").wait_for(timeout=60_000)
        assert system.final_status(order, within_seconds=90) == "COMPLETED"
        page.goto(f"{desk}/log")
        assert "connector restart-failed" in page.locator("main").inner_text()
    assert_nothing_lost_or_doubled(system, [order])


@pytest.mark.long
def test_a_dead_letter_is_redriven_from_its_page(system, desk, opened, as_superuser):
    """Inventory's table refuses the reservation for a while, which parks the command."""
    table = "ALTER TABLE reservations"
    as_superuser(f"{table} ADD CONSTRAINT refused CHECK (false) NOT VALID", INVENTORY.database)
    try:
        order = system.place()
        with tab(opened) as page:
            sign_in(page, desk, system)
            page.goto(f"{desk}/orders/{order}")
            page.get_by_text("inventory's message inventory.reserve.v1 has been parked").wait_for(
                timeout=LIVE_MS
            )
            as_superuser(f"{table} DROP CONSTRAINT refused", INVENTORY.database)

            page.get_by_role("link", name="Mend its cause, then redrive it").click()
            page.get_by_role("link", name="inventory").first.click()
            page.get_by_text("what is private is withheld").wait_for()
            assert picture(page, "dead-letter-light") < SCREENSHOT_BYTES_MAX
            page.get_by_role("link", name="Redrive its order").click()
            page.get_by_role("button", name="Redrive").click()

            page.get_by_text("1 handled").wait_for()
        assert system.final_status(order, within_seconds=60) == "COMPLETED"
    finally:
        as_superuser(f"{table} DROP CONSTRAINT IF EXISTS refused", INVENTORY.database)
    assert_nothing_lost_or_doubled(system, [order])


@pytest.mark.long
def test_who_only_looks_finds_no_button_and_is_refused(system, desk, opened):
    with tab(opened) as page:
        page.goto(f"{desk}/connectors")
        assert page.get_by_role("link", name="Pause").count() == 0

        page.goto(f"{desk}/connectors/order-outbox/pause")

        page.get_by_role("heading", name="Forbidden").wait_for()
        page.get_by_role("link", name="Sign in as operator").first.click()
        page.get_by_label("Token").wait_for()


@pytest.mark.long
def test_live_updates_can_be_paused_and_keep_what_is_chosen(system, desk, opened):
    with tab(opened) as page:
        page.goto(f"{desk}/sagas")
        page.get_by_role("button", name="Pause").click()
        placed = system.place()
        page.get_by_text("Paused; read").wait_for()
        assert page.get_by_text(placed).count() == 0

        page.get_by_role("button", name="Go on").click()

        page.get_by_text(placed).wait_for(timeout=LIVE_MS)


@pytest.mark.long
def test_pages_are_read_without_javascript(system, desk, opened):
    order = system.place()
    system.final_status(order)
    with tab(opened, java_script_enabled=False) as page:
        page.goto(f"{desk}/sagas")
        page.get_by_role("link", name=order).click()

        assert "COMPLETED" in page.locator("main").inner_text()
        assert page.get_by_role("button", name="Pause").count() == 0


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_screen_is_without_barriers_and_pictured(system, desk, opened, scheme):
    """With orders that flow, so that there is something to see; the pictures go into README."""
    order = system.place("SOLD-OUT", token="tok_slow")
    system.final_status(order)
    found, large = {}, {}
    with system.orders_flowing(per_second=5), tab(opened, scheme=scheme) as page:
        for name, place in {**SCREENS, "order": f"/orders/{order}"}.items():
            page.goto(f"{desk}{place}")
            page.locator("main").wait_for()
            large[name] = picture(page, f"{name}-{scheme}", **({"clip": HEAD} if name == "orders" else {}))
            found[name] = barriers(page)

    assert {name: each for name, each in found.items() if each} == {}
    assert {name: size for name, size in large.items() if size > SCREENSHOT_BYTES_MAX} == {}


@pytest.mark.long
def test_nothing_runs_out_of_a_narrow_screen(system, desk, opened):
    order = system.place()
    system.final_status(order)
    with tab(opened, size=NARROW) as page:
        for place in [*SCREENS.values(), f"/orders/{order}"]:
            page.goto(f"{desk}{place}")
            wide = page.evaluate("() => document.documentElement.scrollWidth")
            assert wide <= NARROW["width"], place
        assert picture(page, "order-narrow-light") < SCREENSHOT_BYTES_MAX
