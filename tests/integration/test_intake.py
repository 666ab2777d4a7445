"""Placing orders as clients do it: again, at the same time, too often, too many, and waiting for the end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from migrations.database import admin_engine
from order.api import order_routes
from order.handlers import orchestrator
from order.saga import Patience
from runtime.database import connect_engine
from runtime.waiting import until
from web.app import WebSettings, service_app
from web.expiry import delete_expired
from web.idempotency import Attempt
from web.intake import Intake
from web.load import Load, WalPressure
from web.rate_limit import RateLimit

PIZZA = {"items": [{"sku": "PIZZA", "quantity": 1}]}
PHONE = {"items": [{"sku": "PHONE", "quantity": 1}]}


class OrderService:
    """The order service's application, and what a test wants to see or change of it."""

    def __init__(self, url, *, limit=None, connections=16):
        self.engine = connect_engine(url, process="test", connections=connections)
        self.intake = Intake(self.engine, limit)
        settings = WebSettings(url, (), "token")
        routes = order_routes(self.engine, orchestrator(Patience()), self.intake)
        self.app = service_app("order", settings, self.engine, routes)

    def post(self, body, *, key=None, path="/orders", bearer=None, **headers):
        if key is not None:
            headers["Idempotency-Key"] = key
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        return self.app.test_client().post(path, json=body, headers=headers)

    def get(self, path, **headers):
        return self.app.test_client().get(path, headers=headers)

    def refuse_new_orders(self):
        self.intake.load = Load(WalPressure(self.engine), most=0)


@pytest.fixture
def service_of(databases):
    """A function that starts an order service on the test's database."""
    opened = []

    def start(**options):
        opened.append(OrderService(databases.url("order"), **options))
        return opened[-1]

    yield start
    for service in opened:
        service.engine.dispose()


@pytest.fixture
def orders(service_of):
    return service_of()


@pytest.fixture
def database(engine_of):
    """A function that runs a statement as the tables' owner."""
    engine = engine_of("order", "migrator")

    def run(statement, **values):
        with engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.scalar() if result.returns_rows else result.rowcount

    return run


@pytest.fixture
def placed(database):
    """A function that counts the orders, each of which has its three messages."""

    def count():
        number = database("SELECT count(*) FROM orders")
        assert database("SELECT count(*) FROM outbox") == 3 * number
        return number

    return count


def problem(answer, status):
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    return answer


class TestIdempotencyKey:
    def test_a_repeated_order_is_answered_as_the_first_was(self, orders, placed):
        first = orders.post(PIZZA, key="lunch")
        again = orders.post({"items": [{"quantity": 1, "sku": "PIZZA"}]}, key='"lunch"')

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.data == first.data
        for name in ("Location", "Idempotency-Expires", "Content-Type"):
            assert again.headers[name] == first.headers[name]
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
        assert placed() == 1

    def test_the_answer_stays_what_it_was_when_the_order_has_moved_on(self, orders, database):
        first = orders.post(PIZZA, key="lunch")
        settle(database, "COMPLETED")

        assert orders.post(PIZZA, key="lunch").data == first.data
        assert orders.get(first.headers["Location"]).get_json()["status"] == "COMPLETED"

    def test_a_used_key_with_another_order_is_refused(self, orders, placed):
        orders.post(PIZZA, key="lunch")

        problem(orders.post(PHONE, key="lunch"), 422)
        assert placed() == 1

    def test_keys_of_others_and_of_other_routes_are_other_keys(self, orders, placed):
        answers = [
            orders.post(PIZZA, key="lunch"),
            orders.post(PIZZA, key="lunch", bearer="ann"),
            orders.post(PIZZA, key="lunch", bearer="bob"),
            orders.post({"product": "pizza"}, key="lunch", path="/order"),
        ]

        assert [answer.status_code for answer in answers] == [201] * 4
        assert placed() == 4
        assert orders.post({"product": "pizza"}, key="lunch", path="/order").data == answers[3].data
        assert placed() == 4

    def test_no_token_is_kept(self, orders, database):
        orders.post(PIZZA, key="lunch", bearer="secret-of-ann")

        assert "secret-of-ann" not in database("SELECT caller FROM idempotency_keys")

    def test_twins_at_the_same_time_are_one_order(self, orders, placed):
        start = threading.Barrier(8)

        def post(_):
            start.wait(timeout=10)
            return orders.post(PIZZA, key="lunch")

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(post, range(8)))

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.data for answer in answers}) == 1
        assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 7
        assert placed() == 1

    def test_a_twin_that_takes_too_long_is_not_waited_for(self, orders, engine_of, placed, caplog):
        with claimed_elsewhere(engine_of, "a-key-to-look-for"):
            answer = problem(orders.post(PIZZA, key="a-key-to-look-for"), 409)

        assert answer.headers["Retry-After"] == "1"
        assert orders.post(PIZZA, key="a-key-to-look-for").status_code == 201
        assert placed() == 1
        assert "a-key-to-look-for" not in caplog.text

    @pytest.mark.parametrize(
        ("body", "status"), [({"items": []}, 422), ({"items": [{"sku": "BRICK", "quantity": 1}]}, 422)]
    )
    def test_an_error_is_not_kept(self, orders, placed, database, body, status):
        problem(orders.post(body, key="lunch"), status)
        assert database("SELECT count(*) FROM idempotency_keys") == 0

        assert orders.post(PIZZA, key="lunch").status_code == 201
        assert placed() == 1

    def test_an_order_that_cannot_be_kept_leaves_no_key(self, orders, placed, database):
        database("ALTER TABLE outbox ADD CONSTRAINT ck_outbox_closed CHECK (false) NOT VALID")
        assert orders.post(PIZZA, key="lunch").status_code == 500
        database("ALTER TABLE outbox DROP CONSTRAINT ck_outbox_closed")

        assert database("SELECT count(*) FROM idempotency_keys") == 0
        assert orders.post(PIZZA, key="lunch").status_code == 201
        assert placed() == 1

    def test_a_key_may_be_used_anew_after_a_day(self, orders, placed, database):
        first = orders.post(PIZZA, key="lunch")
        assert database("SELECT expires_at - created_at > '23:59:59' FROM idempotency_keys")
        database("UPDATE idempotency_keys SET expires_at = clock_timestamp()")

        second = orders.post(PHONE, key="lunch")

        assert (first.status_code, second.status_code) == (201, 201)
        assert "Idempotent-Replayed" not in second.headers
        assert placed() == 2
        assert orders.post(PHONE, key="lunch").data == second.data

    @pytest.mark.parametrize("key", ["", "a b", '"', "x" * 256])
    def test_a_malformed_key_is_refused(self, orders, placed, key):
        problem(orders.post(PIZZA, key=key), 400)
        assert placed() == 0


@contextmanager
def claimed_elsewhere(engine_of, key):
    """The key, claimed by a transaction that does not end in time."""
    attempt = Attempt("address 127.0.0.1", "POST /orders", key, b"")
    with engine_of("order").connect() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": attempt.lock})
        yield
        connection.rollback()


class TestGroups:
    """Requests that come while others are being answered are answered together."""

    @pytest.fixture
    def at_once(self, orders, engine_of):
        """A function that posts orders so that all but the first make one group, and gives their answers."""

        def post_all(*asked):
            with ThreadPoolExecutor(len(asked) + 1) as pool, engine_of("order", "migrator").connect() as gate:
                gate.execute(text("LOCK TABLE products IN ACCESS EXCLUSIVE MODE"))
                first = pool.submit(orders.post, PIZZA)
                until(lambda: waiting(gate) == 1, within_seconds=10, what="the first order to be at work")
                answers = [pool.submit(orders.post, body, key=key) for body, key in asked]
                until(
                    lambda: orders.intake.waiting == len(asked), within_seconds=10, what="the others to queue"
                )
                gate.rollback()
                assert first.result(10).status_code == 201
                return [each.result(10) for each in answers]

        return post_all

    def test_they_share_a_transaction(self, at_once, database, placed):
        answers = at_once((PIZZA, "a"), (PHONE, "b"), (PIZZA, None))

        assert [answer.status_code for answer in answers] == [201] * 3
        assert [len(answer.get_json()["items"]) for answer in answers] == [1] * 3
        assert [answer.get_json()["items"][0]["sku"] for answer in answers] == ["PIZZA", "PHONE", "PIZZA"]
        assert database("SELECT count(DISTINCT xmin::text) FROM orders") == 2
        assert placed() == 4

    def test_one_that_cannot_be_carried_out_takes_nobody_with_it(self, at_once, database, placed):
        answers = at_once((PIZZA, "a"), ({"items": [{"sku": "BRICK", "quantity": 1}]}, "b"), (PHONE, "c"))

        assert [answer.status_code for answer in answers] == [201, 422, 201]
        assert database("SELECT string_agg(key, ',' ORDER BY key) FROM idempotency_keys") == "a,c"
        assert placed() == 3

    def test_one_that_cannot_be_kept_takes_nobody_with_it(self, at_once, database, placed):
        database("ALTER TABLE orders ADD CONSTRAINT ck_orders_small CHECK (total_amount < 100000) NOT VALID")
        much = {"items": [{"sku": "PHONE", "quantity": 1000}]}

        answers = at_once((PIZZA, "a"), (much, "b"), (PIZZA, None))

        assert [answer.status_code for answer in answers] == [201, 500, 201]
        assert placed() == 3

    def test_twins_among_them_are_one_order(self, at_once, placed):
        answers = at_once((PIZZA, "a"), (PIZZA, "a"), (PHONE, "a"), (PIZZA, "b"))

        assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 422]
        assert placed() == 3


def waiting(connection):
    """How many sessions wait for the table of products."""
    asked = text("SELECT count(*) FROM pg_locks WHERE relation = 'products'::regclass AND NOT granted")
    return connection.execute(asked).scalar_one()


def settle(database, status):
    assert database(f"UPDATE orders SET status = '{status}', payment_token = NULL") == 1


class TestPreferWait:
    def test_an_order_that_was_accepted_is_never_answered_as_a_failure(self, orders):
        """The database goes away after the order was kept, while it is waited for."""

        def gone(*_):
            raise OperationalError("a look at the order", {}, Exception("gone"))

        event.listen(
            orders.engine, "commit", lambda _c: event.listen(orders.engine, "begin", gone), once=True
        )

        answer = orders.post(PIZZA, Prefer="wait=1")

        assert (answer.status_code, answer.get_json()["status"]) == (201, "PENDING")

    def test_an_order_is_shown_once_it_is_final(self, orders, database):
        place = orders.post(PIZZA).headers["Location"]
        looked = threading.Event()
        event.listen(orders.engine, "after_cursor_execute", lambda *_: looked.set())

        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(orders.get, place, Prefer="wait=10")
            assert looked.wait(timeout=10)
            settle(database, "FAILED")

        assert answer.result().get_json()["status"] == "FAILED"
        assert answer.result().headers["Preference-Applied"] == "wait=10"

    def test_a_new_order_is_answered_as_it_is_after_the_wait(self, orders):
        answer = orders.post(PIZZA, key="lunch", Prefer="wait=1")

        assert answer.status_code == 201
        assert answer.get_json()["status"] == "PENDING"
        assert answer.headers["Preference-Applied"] == "wait=1"
        assert answer.headers["Location"]
        again = orders.post(PIZZA, key="lunch", Prefer="wait=10")
        assert "Preference-Applied" not in again.headers

    def test_without_an_understood_wish_nothing_waits(self, orders):
        place = orders.post(PIZZA, Prefer="wait=soon").headers["Location"]

        assert "Preference-Applied" not in orders.get(place, Prefer="handling=lenient").headers

    def test_an_unknown_order_is_not_waited_for(self, orders):
        problem(orders.get("/orders/019a0000-0000-7000-8000-000000000000", Prefer="wait=10"), 404)

    def test_who_waits_holds_no_connection(self, service_of):
        orders = service_of(connections=1)
        place = orders.post(PIZZA).headers["Location"]
        looked = threading.Event()
        event.listen(orders.engine, "checkin", lambda *_: looked.set())

        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(orders.get, place, Prefer="wait=2") for _ in range(3)]
            assert looked.wait(timeout=10)
            assert [orders.post(PIZZA).status_code for _ in range(5)] == [201] * 5

        assert {answer.result().status_code for answer in waiting} == {200}


class TestRateLimit:
    LIMIT = RateLimit(requests=2, seconds=60, burst=2)

    def test_a_client_is_refused_once_its_requests_are_used_up(self, service_of, placed):
        orders = service_of(limit=self.LIMIT)

        first, second = orders.post(PIZZA), orders.post({"product": "phone"}, path="/order")
        third = problem(orders.post(PIZZA), 429)

        assert first.headers["RateLimit-Policy"] == '"default";q=2;w=60'
        assert first.headers["RateLimit"] == '"default";r=1;t=30'
        assert second.headers["RateLimit"] == '"default";r=0;t=60'
        assert third.headers["RateLimit"] == '"default";r=0;t=60'
        assert third.headers["Retry-After"] == "30"
        assert placed() == 2

    def test_other_clients_and_reads_go_on(self, service_of, placed):
        orders = service_of(limit=self.LIMIT)
        for _ in range(3):
            orders.post(PIZZA, bearer="ann")

        assert orders.post(PIZZA, bearer="bob").status_code == 201
        assert orders.post(PIZZA).status_code == 201
        assert "RateLimit" not in orders.get("/orders").headers
        assert placed() == 4

    def test_requests_at_the_same_time_are_counted_one_by_one(self, service_of, placed):
        orders = service_of(limit=RateLimit(requests=1, seconds=600, burst=3))
        start = threading.Barrier(10)

        def post(_):
            start.wait(timeout=10)
            return orders.post(PIZZA).status_code

        with ThreadPoolExecutor(10) as pool:
            answers = sorted(pool.map(post, range(10)))

        assert answers == [201] * 3 + [429] * 7
        assert placed() == 3

    def test_requests_come_back_with_time(self, service_of, database):
        orders = service_of(limit=self.LIMIT)
        for _ in range(3):
            orders.post(PIZZA)
        database("UPDATE rate_limits SET theoretical_arrival = theoretical_arrival - interval '30 seconds'")

        assert [orders.post(PIZZA).status_code for _ in range(2)] == [201, 429]

    def test_a_clock_that_is_set_back_keeps_nobody_out(self, service_of, database):
        orders = service_of(limit=self.LIMIT)
        orders.post(PIZZA)
        database("UPDATE rate_limits SET theoretical_arrival = theoretical_arrival + interval '5 minutes'")

        assert [orders.post(PIZZA).status_code for _ in range(3)] == [201, 201, 429]

    def test_a_bad_request_counts_and_tells_the_limit(self, service_of):
        orders = service_of(limit=self.LIMIT)

        assert problem(orders.post({}), 422).headers["RateLimit"] == '"default";r=1;t=30'

    def test_a_repeated_order_is_answered_all_the_same(self, service_of, placed):
        orders = service_of(limit=self.LIMIT)
        first = orders.post(PIZZA, key="lunch")
        for _ in range(3):
            orders.post({})

        again = orders.post(PIZZA, key="lunch")

        assert again.data == first.data
        assert again.headers["RateLimit"].startswith('"default";r=0;')
        problem(orders.post(PHONE, key="lunch"), 422)
        problem(orders.post(PHONE, key="dinner"), 429)
        assert placed() == 1

    def test_a_limiter_that_fails_stops_no_order(self, service_of, database, placed):
        orders = service_of(limit=self.LIMIT)
        database("DROP TABLE rate_limits")

        answers = [orders.post(PIZZA) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [201] * 3
        assert "RateLimit" not in answers[0].headers
        assert placed() == 3

    def test_without_a_limit_nothing_is_counted(self, orders, database):
        assert "RateLimit" not in orders.post(PIZZA).headers
        assert database("SELECT count(*) FROM rate_limits") == 0


class TestLoad:
    def test_beyond_the_places_orders_are_refused_and_reads_are_not(self, orders, placed):
        place = orders.post(PIZZA).headers["Location"]
        orders.refuse_new_orders()

        answer = problem(orders.post(PIZZA), 503)

        assert 1 <= int(answer.headers["Retry-After"]) <= 5
        assert orders.get(place).status_code == 200
        assert orders.get("/readyz").status_code == 200
        assert placed() == 1

    def test_a_repeated_order_is_answered_all_the_same(self, orders, placed):
        first = orders.post(PIZZA, key="lunch")
        orders.refuse_new_orders()

        assert orders.post(PIZZA, key="lunch").data == first.data
        problem(orders.post(PHONE, key="lunch"), 422)
        problem(orders.post(PIZZA, key="dinner"), 503)
        assert placed() == 1

    def test_orders_are_refused_before_a_relay_loses_its_wal(self, service_of, postgres_settings, placed):
        postgres_settings("max_slot_wal_keep_size", "16MB")
        with slot_that_falls_behind(postgres_settings.engine):
            answer = problem(service_of().post(PIZZA), 503)
            assert 10 <= int(answer.headers["Retry-After"]) <= 30
            assert service_of().get("/orders").status_code == 200

            # Without a bound Postgres drops nothing, so nothing is in danger.
            postgres_settings("max_slot_wal_keep_size", "-1")
            assert service_of().post(PIZZA).status_code == 201

        assert placed() == 1

    def test_a_relay_that_is_away_but_has_room_refuses_no_order(self, service_of, postgres_settings):
        postgres_settings("max_slot_wal_keep_size", "4GB")
        with slot_that_falls_behind(postgres_settings.engine):
            assert service_of().post(PIZZA).status_code == 201

    def test_wal_is_looked_up_once_a_second_at_most(self, orders):
        statements = []
        event.listen(
            orders.engine,
            "before_cursor_execute",
            lambda *given: statements.append("restart_lsn" in given[2]),
        )
        pressure = WalPressure(orders.engine)

        assert [pressure.is_high() for _ in range(50)] == [False] * 50
        assert sum(statements) == 1


@pytest.fixture
def postgres_settings(migrated):
    """A function that changes a setting of the whole cluster; every one is as it was afterwards."""
    admin = admin_engine(migrated[0])

    def change(name, value):
        with admin.connect() as connection:
            connection.execute(text(f"ALTER SYSTEM SET {name} = '{value}'"))
            connection.execute(text("SELECT pg_reload_conf()"))
        until(lambda: shown(name) == value, within_seconds=10, what=f"{name} to be {value}")

    def shown(name):
        with admin.connect() as connection:
            return connection.execute(text(f"SHOW {name}")).scalar()

    change.engine = admin
    yield change
    with admin.connect() as connection:
        connection.execute(text("ALTER SYSTEM RESET ALL"))
        connection.execute(text("SELECT pg_reload_conf()"))
    admin.dispose()


@contextmanager
def slot_that_falls_behind(admin):
    """A slot that holds back more than one segment of 16 MB, which nobody reads."""
    with admin.connect() as connection:
        connection.execute(text("SELECT pg_create_physical_replication_slot('behind', true)"))
        try:
            for _ in range(2):
                connection.execute(text("SELECT pg_logical_emit_message(false, 'test', 'x', true)"))
                connection.execute(text("SELECT pg_switch_wal()"))
            yield
        finally:
            connection.execute(text("SELECT pg_drop_replication_slot('behind')"))


def test_on_a_day_without_a_partition_nothing_is_kept_and_clients_are_asked_to_come_back(orders, database):
    children = (
        "SELECT array_agg(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'outbox'::regclass"
    )
    for name in database(children):
        database(f"ALTER TABLE outbox DETACH PARTITION {name}")

    answer = problem(orders.post(PIZZA), 503)

    assert answer.headers["Retry-After"]
    assert database("SELECT count(*) FROM orders") == 0


def test_what_has_expired_is_deleted_in_bounded_batches(orders, database, engine_of):
    orders.post(PIZZA, key="lunch")
    database(
        "INSERT INTO idempotency_keys (caller, route, key, fingerprint, expires_at)"
        " SELECT 'ann', 'POST /orders', n, sha256('x'), now() FROM generate_series(1, 10600) AS n"
    )
    database("INSERT INTO rate_limits VALUES ('ann', now()), ('bob', now() + interval '1 hour')")

    engine = engine_of("order")
    deleted = [delete_expired(engine) for _ in range(3)]

    assert deleted == [10_001, 600, 0]
    assert database("SELECT string_agg(key, ',') FROM idempotency_keys") == "lunch"
    assert database("SELECT string_agg(client, ',') FROM rate_limits") == "bob"
