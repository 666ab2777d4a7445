"""The dashboard's pages on real databases: what they show, what they say of what is away, and who may act."""

import json
import re
import time
from contextlib import closing
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from connect.configurations import configuration
from contracts.services import SERVICES
from dashboard.letter_acts import KEYS_MAX
from messaging import dead_letters
from messaging.batch import BatchProcessor
from order.app import create_app
from payment import handlers as payment
from tests.auditing import AuditedSystem
from tests.builders import a_delivery, charge
from tests.dashboard_pages import NOWHERE, Pages, answering, served, settings_for
from tests.integration.conftest import OPERATORS_TOKEN

PAGES = ["/", "/sagas", "/connectors", "/topics", "/dead-letters", "/audit", "/log", "/login"]
VIEWS = [
    "/sagas?view=attention",
    "/sagas?view=compensating",
    "/sagas?view=running",
    "/sagas?view=stuck&older=5",
]
# Tables that grow with every order; those of the auditor that hold only what is open do not.
LARGE = (
    "orders|sagas|saga_log|outbox|inbox|payments|payment_intents|reservations|records|dead_letters|actions"
)
# A page answers within this, whatever is away.
SECONDS_MAX = 8.0


@pytest.fixture
def pages(databases):
    """A function that opens the dashboard, with settings changed."""
    opened = []

    def open_pages(**changes):
        opened.append(Pages(settings_for(databases, **changes)))
        return opened[-1]

    yield open_pages
    for each in opened:
        each.close()


@pytest.fixture
def audited(engine_of, databases):
    with closing(AuditedSystem(engine_of, databases)) as system:
        yield system


@pytest.fixture
def orders(client_of):
    return client_of(create_app, "order")


@pytest.fixture
def order(orders):
    """The id of an order just placed, with a token that nobody may see."""
    body = {"items": [{"sku": "PIZZA", "quantity": 2}], "payment_token": "tok_private"}
    return orders.post("/orders", json=body).get_json()["order_id"]


@pytest.fixture
def stuck(order, engine_of):
    """An order whose saga waits for a person."""
    with engine_of("order", "migrator").begin() as connection:
        connection.execute(text("UPDATE sagas SET status = 'NEEDS_ATTENTION', due_at = NULL"))
    return order


@pytest.fixture
def parked(engine_of):
    """A charge that could not be handled: its order's id."""
    command = charge(token="tok_private")
    broken = command.model_dump_json().replace("1250", '"many"').encode()
    BatchProcessor(engine_of("payment"), payment.consumer()).process([a_delivery(command, value=broken)])
    return command.key


def actions(engine_of):
    with engine_of("audit", "migrator").connect() as connection:
        rows = connection.execute(
            text("SELECT actor, action, target, note, outcome FROM actions ORDER BY id")
        )
        return [tuple(row) for row in rows]


def relay_all(audited, rows):
    """Let the rows arrive in their topics, as a relay would, and be found there."""
    audited.round(audited.records(rows))


# ── every page


def test_every_page_shows_nothing_where_nothing_is_and_is_guarded(pages):
    opened = pages()
    opened.sources.watch.sample()
    for place in PAGES + VIEWS:
        check_guarded(opened.get(place))


def check_guarded(answer):
    assert answer.status_code == 200, answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|<style|javascript:", answer.text)
    assert "http://" not in re.sub(rf"http://{NOWHERE}", "", answer.text), "everything is served from here"
    assert "<h1" in answer.text


def test_every_page_says_what_is_away_and_answers_in_time(pages):
    """Every database, Kafka and Connect are away."""
    nowhere = dict.fromkeys(("order", "payment", "inventory"), f"postgresql+psycopg://x:y@{NOWHERE}/x")
    opened = pages(databases={**nowhere, "audit": nowhere["order"]}, handlers=nowhere)
    opened.sources.watch.sample()

    for place in [*PAGES, f"/orders/{uuid4()}", f"/events/{uuid4()}", "/dead-letters/order/1"]:
        began = time.monotonic()
        shown = opened.text(place)
        assert time.monotonic() - began < SECONDS_MAX, place
        assert place == "/login" or re.search("away|not answer", shown), place


def test_one_database_that_is_away_hides_only_what_it_knows(pages, databases, order):
    known = {name: databases.url(name, "auditor") for name in ("order", "inventory", "audit")}
    opened = pages(databases={**known, "payment": f"postgresql+psycopg://x:y@{NOWHERE}/x"})

    shown = opened.text(f"/orders/{order}")

    assert "What the payment database knows is missing here" in shown
    assert "payment&#39;s database does not answer, so" in shown or "not known" in shown
    assert "order.created.v1" in shown
    opened.sources.watch.sample()
    overview = opened.text("/")
    assert "The reading of database payment does not answer" in overview
    assert "The reading of database order does not answer" not in overview


UNKNOWN = [
    (f"/orders/{uuid4()}", 404),
    ("/orders/nonsense", 404),
    (f"/events/{uuid4()}", 404),
    ("/dead-letters/order/4711", 404),
    ("/dead-letters/kitchen/1", 404),
    ("/dead-letters?older=soon", 400),
    ("/audit/chaos/..%2F..", 404),
    ("/sagas?view=all", 404),
    ("/sagas?view=stuck&older=ages", 400),
    ("/sagas?after=nonsense", 400),
    ("/find?id=nonsense", 400),
    ("/find", 400),
    ("/nowhere", 404),
]


def test_what_is_unknown_has_a_page_that_says_so(pages):
    with answering({"/connectors?expand=status": (200, {})}) as (connect, _):
        opened = pages(connect_urls=(connect,))
        for place, status in UNKNOWN:
            shown = opened.text(place, status)
            assert "<h1>" in shown
            assert "Something went wrong" not in shown


def test_every_address_is_below_the_prefix_that_it_is_served_under(pages, order):
    answer = pages().client.get(f"/orders/{order}", environ_overrides={"SCRIPT_NAME": "/desk"})

    places = re.findall(r'(?:href|src|action|hx-get)="([^"#]+)"', answer.text)
    assert places
    assert [place for place in places if not place.startswith("/desk/")] == []


# ── one order


def test_an_order_is_followed_through_every_database(pages, orders, order, audited, engine_of):
    opened = pages()
    first = opened.text(f"/orders/{order}")
    assert "It waits for payment.captured.v1 or payment.declined.v1" in first
    assert "whether it is in its topic is not known yet" in first

    rows = audited.rows(
        "order", [row.id for row in audited.ask("order", "SELECT id FROM outbox ORDER BY id")]
    )
    relay_all(audited, rows)
    second = opened.text(f"/orders/{order}")
    assert "inventory has not handled it yet" in second
    assert re.search(r"payment-commands 0@\d", second)
    assert second.count("<strong>not yet</strong>") == 2

    processor = BatchProcessor(engine_of("payment"), payment.consumer())
    [command] = [row for row in rows if row.type == "payment.charge.v1"]
    processor.process(
        [a_delivery(charge(2500, "tok_private", order), event_id=command.id, topic=command.topic)]
    )
    third = opened.text(f"/orders/{order}")
    assert "payment has had it for" in third
    assert "the gateway was not asked yet" in third
    assert third.count("<strong>not yet</strong>") == 1
    assert "tok_private" not in first + second + third


def test_only_the_live_part_is_refreshed_until_nothing_changes_any_more(pages, order):
    opened = pages()

    part = opened.get(f"/orders/{order}", **{"HX-Request": "true"})

    assert (part.status_code, "<html" in part.text) == (200, False)
    assert "HX-Request" in part.headers["Vary"]
    assert f'hx-get="/orders/{order}"' in opened.text(f"/orders/{order}")


def test_an_order_that_a_newer_release_has_moved_has_a_page(pages, order, engine_of):
    with engine_of("order", "migrator").begin() as connection:
        connection.execute(text("""UPDATE sagas SET version = 99, cause = '["weather", null, null]'"""))

    assert "in version 99 of its saga" in pages().text(f"/orders/{order}")


def test_an_order_that_is_complete_is_settled(pages, audited):
    key, rows = audited.order()
    audited.do("order", "UPDATE orders SET created_at = now() - interval '2 s', updated_at = now()")
    relay_all(audited, rows)
    audited.consume()
    with answering({"/connectors?expand=status": (200, {})}) as (connect, _):
        opened = pages(connect_urls=(connect,))

        part = opened.get(f"/orders/{key}", **{"HX-Request": "true"})
        whole = opened.text(f"/orders/{key}")

    assert "COMPLETED after 2.0 s." in part.text
    assert part.status_code == 286, "htmx stops asking"
    assert "hx-get" not in whole


def test_a_parked_message_is_told_on_its_orders_page(pages, parked):
    shown = pages().text(f"/orders/{parked}")

    assert "payment&#39;s message payment.charge.v1 has been parked for" in shown
    assert f"/dead-letters?key={parked}" in shown
    assert "tok_private" not in shown


# ── where is my event


def test_the_trace_that_a_request_brings_stands_on_the_pages_of_its_order_and_events(
    pages, orders, engine_of
):
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    body = {"items": [{"sku": "PIZZA", "quantity": 1}]}
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    order = orders.post("/orders", json=body, headers=headers).get_json()["order_id"]
    with engine_of("order").connect() as connection:
        event = connection.execute(
            text("SELECT id FROM outbox WHERE aggregateid = :key LIMIT 1"), {"key": order}
        ).scalar_one()
    opened = pages()

    assert trace_id in opened.text(f"/orders/{order}")
    assert trace_id in opened.text(f"/events/{event}")


def test_an_event_is_followed_from_outbox_to_inbox(pages, audited):
    [row] = audited.events(1)
    opened = pages()
    assert "It was written" in opened.text(f"/events/{row.id}")

    relay_all(audited, [row])
    assert "It has been in its topic for" in opened.text(f"/events/{row.id}")

    audited.consume()
    shown = opened.text(f"/events/{row.id}")
    assert "It has arrived: payment took it" in shown
    assert row.key in shown


def test_a_phantom_and_a_lost_event_are_told(pages, audited):
    rows = audited.events(2)
    audited.round(audited.records(rows[:1]))
    audited.round()
    assert "It is lost" in pages().text(f"/events/{rows[1].id}")


def test_an_id_is_found_whatever_it_belongs_to(pages, order, audited):
    opened = pages()
    [event] = [row.id for row in audited.ask("order", "SELECT id FROM outbox ORDER BY id LIMIT 1")]

    assert opened.get(f"/find?id={order}").headers["Location"] == f"/orders/{order}"
    assert opened.get(f"/find?id=%20{event}").headers["Location"] == f"/events/{event}"


# ── who may act

ACTIONS = [
    ("/sagas/act", {"do": "retry", "id": str(uuid4()), "note": "as agreed"}),
    ("/connectors/order-outbox/pause", {"note": "as agreed"}),
    ("/connectors/order-outbox/restart-failed", {}),
    ("/dead-letters/redrive", {"service": "order"}),
    ("/dead-letters/discard", {"service": "order", "note": "as agreed"}),
]


def test_who_only_looks_is_refused(pages, engine_of):
    opened = pages()

    for place, fields in ACTIONS:
        answer = opened.post(place, form="/login", **fields)
        assert answer.status_code == 403
        assert "Only the operator may do this" in answer.text

    assert actions(engine_of) == []


def test_a_form_without_the_sessions_token_changes_nothing(pages, engine_of):
    opened = pages()
    opened.sign_in()

    for place, fields in [*ACTIONS, ("/logout", {}), ("/login", {"token": "x"})]:
        without = opened.client.post(place, data=fields)
        wrong = opened.client.post(place, data={**fields, "csrf_token": "guessed"})
        assert (without.status_code, wrong.status_code) == (400, 400)

    assert actions(engine_of) == []


def test_the_session_is_a_strict_cookie_that_scripts_do_not_see(pages):
    opened = pages()
    assert "Set-Cookie" not in opened.get("/").headers, "who only looks carries nothing"
    opened.sign_in("anna")

    cookie = opened.get("/sagas/act?do=retry&id=" + str(uuid4())).headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert OPERATORS_TOKEN not in cookie
    assert "Signed in as <strong>anna</strong>" in opened.text("/log")
    assert opened.post("/logout", form="/log").status_code == 303
    assert opened.get("/dead-letters/redrive").status_code == 403


def test_wrong_tokens_are_refused_and_then_nobody_may_try(pages):
    opened = pages()
    answers = [opened.post("/login", form="/login", token=f"wrong {n}") for n in range(6)]

    assert [each.status_code for each in answers] == [403] * 5 + [429]
    assert answers[-1].headers["Retry-After"] == "60"
    assert opened.post("/login", form="/login", token=OPERATORS_TOKEN).status_code == 429


def test_a_cookie_of_another_process_is_worth_nothing(pages):
    first, second = pages(), pages()
    first.sign_in()
    cookie = first.client.get_cookie("neverlost")

    second.client.set_cookie("neverlost", cookie.value)

    assert second.get("/dead-letters/redrive").status_code == 403


def test_who_signs_in_comes_back_to_where_they_were_and_nowhere_else(pages):
    for then, wanted in (("/log", "/log"), ("https://elsewhere.example/", "/")):
        answer = pages().post("/login", form="/login", token=OPERATORS_TOKEN, then=then)
        assert answer.headers["Location"] == wanted


# ── sagas


def test_orders_are_listed_by_state(pages, stuck):
    opened = pages()

    assert stuck in opened.text("/sagas")
    assert stuck in opened.text("/sagas?view=attention")
    assert stuck not in opened.text("/sagas?view=running")
    assert stuck in opened.text("/sagas?view=stuck&older=0")
    assert stuck not in opened.text("/sagas?view=stuck&older=600")
    assert 'type="checkbox"' not in opened.text("/sagas?view=attention")


def test_lists_come_a_page_at_a_time(pages, orders):
    placed = [
        orders.post("/orders", json={"items": [{"sku": "PIZZA", "quantity": 1}]}).get_json()["order_id"]
        for _ in range(51)
    ]
    opened = pages()

    first = opened.text("/sagas")
    following = re.search(r'href="(/sagas\?[^"]*after=[^"]+)"', first)[1].replace("&amp;", "&")
    second = opened.text(following)

    assert placed[0] not in first
    assert placed[0] in second
    assert placed[50] not in second


def test_sagas_are_helped_along_through_the_order_service_and_on_record(pages, stuck, client_of, engine_of):
    with served(client_of(create_app, "order").application) as url:
        opened = pages(urls=dict.fromkeys(("order", "payment", "inventory"), url))
        opened.sign_in("anna")
        asked = f"/sagas/act?do=retry&id={stuck}&id={uuid4()}"
        assert 'name="id"' in opened.text("/sagas?view=attention")

        unknown = str(uuid4())
        done = opened.post("/sagas/act", form=asked, do="retry", id=[stuck, unknown], note="the bank is back")

    assert (done.status_code, done.headers["Location"]) == (303, "/sagas?view=attention")
    told = opened.text("/sagas?view=attention")
    assert "the saga is RUNNING now" in told
    assert "There is no such saga" in told
    assert actions(engine_of) == [
        ("anna", "saga retry", stuck, "the bank is back", "done"),
        ("anna", "saga retry", unknown, "the bank is back", "refused"),
    ]
    assert "the bank is back" in opened.text(f"/orders/{stuck}")
    assert "the bank is back" in opened.text("/log")


VAGUE = [
    ({"do": "retry", "note": "as agreed"}, 422),
    ({"do": "retry", "id": str(uuid4()), "note": " x "}, 422),
    ({"do": "retry", "id": str(uuid4()), "note": "as\0agreed"}, 422),
    ({"do": "delete", "id": str(uuid4()), "note": "as agreed"}, 400),
    ({"do": "retry", "id": "nonsense", "note": "as agreed"}, 400),
]


def test_what_is_not_said_well_enough_changes_nothing(pages, engine_of):
    opened = pages()
    opened.sign_in()

    for fields, status in VAGUE:
        assert opened.post("/sagas/act", form="/log", **fields).status_code == status

    assert actions(engine_of) == []


def test_an_action_whose_end_is_not_known_says_so(pages, stuck, engine_of):
    """The order service is away."""
    opened = pages()
    opened.sign_in()

    opened.post("/sagas/act", form="/log", do="retry", id=stuck, note="as agreed")

    assert [row[-1] for row in actions(engine_of)] == ["failed"]
    assert "what it came to is not known" in opened.text("/log")


def test_what_went_wrong_with_many_fits_into_the_session(pages, engine_of):
    """The order service is away for fifty orders at once."""
    opened = pages()
    opened.sign_in()
    ids = [str(uuid4()) for _ in range(50)]

    done = opened.post("/sagas/act", form="/log", do="retry", id=ids, note="as agreed")

    assert all(len(cookie) < 4000 for cookie in done.headers.getlist("Set-Cookie"))
    assert "45 more were not done" in opened.text("/sagas")
    assert len(actions(engine_of)) == 50


def test_nothing_is_done_where_it_cannot_be_written_down(pages, databases, stuck, client_of):
    known = {name: databases.url(name, "auditor") for name in ("order", "payment", "inventory")}
    with served(client_of(create_app, "order").application) as url:
        opened = pages(
            databases={**known, "audit": f"postgresql+psycopg://x:y@{NOWHERE}/x"},
            urls=dict.fromkeys(("order", "payment", "inventory"), url),
        )
        opened.sign_in()
        answer = opened.post("/sagas/act", form="/log", do="retry", id=stuck, note="as agreed")

    assert answer.status_code == 503
    assert "nothing was changed" in answer.text
    assert stuck in opened.text("/sagas?view=attention")


def test_the_log_of_actions_cannot_be_rewritten(engine_of):
    auditor = engine_of("audit", "auditor")
    for statement in ("UPDATE actions SET actor = 'bob'", "DELETE FROM actions"):
        with auditor.connect() as connection, pytest.raises(Exception, match="permission denied"):
            connection.execute(text(statement))


# ── dead letters


def test_a_letter_is_shown_without_what_is_private(pages, parked):
    opened = pages()
    listed = opened.text("/dead-letters")
    place = re.search(r'href="(/dead-letters/payment/\d+)"', listed)[1]

    shown = opened.text(place)

    assert parked in listed
    assert parked not in opened.text(f"/dead-letters?key={uuid4()}")
    assert "[withheld]" in shown
    assert "tok_private" not in shown + listed
    assert "Redrive" not in shown, "who only looks has no button"


def test_letters_are_redriven_after_a_preview_and_on_record(pages, parked, engine_of):
    opened = pages()
    opened.sign_in("anna")
    preview = opened.text(f"/dead-letters/redrive?key={parked}")
    assert "payment: 1 order" in preview

    opened.post("/dead-letters/redrive", form=f"/dead-letters/redrive?key={parked}", key=parked)
    told = opened.text("/dead-letters")
    assert "0 handled, 0 orders free again" in told
    assert f"{parked} still waits" in told

    with engine_of("payment", "migrator").begin() as connection:
        mended = charge(order_id=parked).model_dump_json().encode()
        connection.execute(text("UPDATE dead_letters SET value = :value"), {"value": mended})
    opened.post("/dead-letters/redrive", form=f"/dead-letters/redrive?key={parked}", key=parked)

    assert "1 handled, 1 order free again" in opened.text("/dead-letters")
    assert "Nothing is parked." in opened.text("/dead-letters")
    assert [row[1:] for row in actions(engine_of)] == [
        ("letters redrive", f"key {parked}", None, "refused"),
        ("letters redrive", f"key {parked}", None, "done"),
    ]
    assert "Redriven by anna" in opened.text("/dead-letters/payment/1")


def test_more_than_one_press_should_handle_is_refused_before_it_is_looked_at(pages, engine_of):
    with engine_of("payment").begin() as connection:
        for _ in range(KEYS_MAX + 1):
            dead_letters.park_culprit(connection, "payment", a_delivery(charge()), "ValueError")
    opened, asked = pages(), []
    opened.sign_in()
    event.listen(opened.sources.engines["payment"], "before_cursor_execute", lambda *of: asked.append(of[2]))

    refused = opened.text("/dead-letters/redrive", 422)

    assert f"This means {KEYS_MAX + 1} of them" in refused
    assert len(asked) < 10


def test_letters_are_discarded_with_a_note_that_is_kept(pages, parked, engine_of):
    opened = pages()
    opened.sign_in("anna")
    assert opened.get("/dead-letters/discard").status_code == 422, "everything must be said"
    asked = f"/dead-letters/discard?service=payment&key={parked}"
    assert "is given up" in opened.text(asked)

    opened.post("/dead-letters/discard", form=asked, service="payment", key=parked, note="a test's")

    assert "1 given up" in opened.text("/dead-letters")
    with engine_of("payment").connect() as connection:
        kept = connection.execute(text("SELECT outcome, settled_by, note FROM dead_letters")).one()
    assert tuple(kept) == ("discarded", "anna", "a test's")


# ── connectors


def connect_answers(state="RUNNING", task="RUNNING", **config):
    registered = {
        service.connector: {
            "status": {
                "connector": {"state": state, "worker_id": "w:1"},
                "tasks": [{"id": 0, "state": task, "worker_id": "w:1", "trace": "java.x: no\nat y"}],
            },
            "info": {"config": {**configuration(service.connector), **config}},
        }
        for service in SERVICES
    }
    restart = "/connectors/order-outbox/restart?includeTasks=true&onlyFailed=true"
    return {
        "/": (200, {"version": "4.3.1", "kafka_cluster_id": "x"}),
        "/connectors?expand=status&expand=info": (200, registered),
        "/connectors/order-outbox/pause": (202, {}),
        restart: (202, {}),
    }


def test_connectors_show_drift_and_trace_and_no_password(pages):
    told = connect_answers(task="FAILED", **{"poll.interval.ms": "9", "database.password": "hunter2"})
    with answering(told) as (connect, _):
        opened = pages(connect_urls=(connect,))
        opened.sources.watch.sample()
        shown = opened.text("/connectors")

    assert "order-outbox and payment-outbox and inventory-outbox do not relay" in shown
    assert "java.x: no" in shown
    assert "poll.interval.ms" in shown
    assert "hunter2" not in shown


def test_only_what_failed_is_restarted_and_a_pause_needs_a_reason(pages, engine_of):
    with answering(connect_answers(task="FAILED")) as (connect, asked):
        opened = pages(connect_urls=(connect,))
        opened.sign_in("anna")
        opened.post("/connectors/order-outbox/restart-failed", form="/connectors")
        refused = opened.post("/connectors/order-outbox/pause", form="/connectors/order-outbox/pause")
        opened.post(
            "/connectors/order-outbox/pause", form="/connectors/order-outbox/pause", note="a drill of ours"
        )

    assert refused.status_code == 422
    assert [line for line in asked if not line.startswith("GET")] == [
        "POST /connectors/order-outbox/restart?includeTasks=true&onlyFailed=true",
        "PUT /connectors/order-outbox/pause",
    ]
    assert actions(engine_of) == [
        ("anna", "connector restart-failed", "order-outbox", None, "done"),
        ("anna", "connector pause", "order-outbox", "a drill of ours", "done"),
    ]


# ── the auditor, and runs of faults


def test_the_auditors_word_is_shown_promise_by_promise(pages, audited):
    rows = audited.events(2)
    audited.round(audited.records(rows[:1]))
    audited.round()

    shown = pages().text("/audit")

    assert "A promise does not hold." in shown
    assert "Every event that was written is in its topic" in shown


def test_runs_of_faults_are_shown(pages, tmp_path):
    (tmp_path / "broker-kill-1").mkdir()
    told = {
        "scenario": "broker-kill",
        "verdict": "valid",
        "seed": 1,
        "orders": 7,
        "events": 40,
        "began": "2026",
    }
    told |= {"invariants": [{"name": "S1", "sentence": "s", "verdict": "valid", "checked": 9, "found": 0}]}
    told |= {"faults": [{"fault": "kill", "count": 2, "effective": 2}], "command": "./run chaos broker-kill"}
    (tmp_path / "broker-kill-1" / "result.json").write_text(json.dumps(told))
    opened = pages(reports=tmp_path)

    assert "broker-kill" in opened.text("/audit")
    assert "./run chaos broker-kill" in opened.text("/audit/chaos/broker-kill-1")


# ── cost


def test_no_page_reads_a_whole_table(pages, order, audited, parked):
    """Sequential scans are off, so one that is planned all the same has no index that it could go by."""
    rows = audited.rows(
        "order", [row.id for row in audited.ask("order", "SELECT id FROM outbox ORDER BY id")]
    )
    relay_all(audited, rows)
    opened, seen = pages(), set()

    def note(connection, _cursor, statement, parameters, *_rest):
        if statement.lstrip().startswith(("SELECT", "WITH")) and not connection.info.get("explains"):
            seen.add((connection.engine, statement))
            connection.info["explains"] = True
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()
            connection.info["explains"] = False
            plans[statement] = "\n".join(plan)

    plans = {}
    for engine in opened.sources.engines.values():
        event.listen(engine, "before_cursor_execute", note)
    for place in (f"/orders/{order}", f"/orders/{parked}", f"/events/{rows[0].id}", *PAGES, *VIEWS):
        opened.text(place)

    whole = {
        statement: plan for statement, plan in plans.items() if re.search(rf"Seq Scan on ({LARGE})", plan)
    }
    assert len(plans) > 20
    assert whole == {}
