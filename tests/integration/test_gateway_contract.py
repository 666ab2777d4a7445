"""What any adapter of the gateway's port must do, run against those for the simulated gateway.

A real adapter gets a class of its own beside `TestHttpGateway`, with the fixtures that say how it is
reached, and passes the same tests.
"""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest

from chaos.collect import _read_gateway
from contracts.messages import Money
from payment.executor import gateway_at as gateway_at_url
from payment.gateway import HttpGateway, OutcomeUnknown
from payment.local_gateway import LocalGateway
from payment.simulated_cards import SLOW_SECONDS, Cards
from payment.simulated_ledger import _HELD, Ledger
from tests.cashier import ANSWER_SECONDS, GatewayProcess, operations

ROOT = Path(__file__).parents[2]
MONEY = Money(amount=100, currency="EUR")
MORE = Money(amount=101, currency="EUR")


@pytest.fixture
def key():
    return str(uuid4())


class GatewayContract:
    """A subclass gives `gateway`, an adapter; `unreachable`, one that nobody answers; and the tokens."""

    GOOD = "tok_ok"
    DECLINED = "tok_declined"
    REFUSES_REFUNDS = "tok_refund_refused"
    CHARGED_WITHOUT_ANSWER = "tok_timeout_charged"
    HANGS_FIRST = "tok_timeout_not_charged"
    FAILS_FIRST = "tok_error_then_ok"
    NEVER_SAYS = "tok_unknown_for_ever"

    def entries(self, gateway):
        """What the gateway itself says it has done: (key, operation), good ones only."""
        raise NotImplementedError

    def test_a_good_charge_is_found_under_its_key(self, gateway, key):
        charged = gateway.charge(key, MONEY, self.GOOD)

        assert charged.declined is None
        assert charged.reference
        assert gateway.find(key) == charged

    def test_a_repeated_key_gets_the_first_answer(self, gateway, key):
        first = gateway.charge(key, MONEY, self.GOOD)

        assert gateway.charge(key, MONEY, self.GOOD) == first
        assert self.entries(gateway) == [(key, "charge")]

    @pytest.mark.parametrize(("money", "card"), [(MORE, "GOOD"), (MONEY, "DECLINED")])
    def test_another_body_under_a_used_key_changes_nothing(self, gateway, key, money, card):
        first = gateway.charge(key, MONEY, self.GOOD)

        assert gateway.charge(key, money, getattr(self, card)) == first == gateway.find(key)
        assert self.entries(gateway) == [(key, "charge")]

    def test_a_declined_charge_says_why_and_stays_declined(self, gateway, key):
        declined = gateway.charge(key, MONEY, self.DECLINED)

        assert declined.declined
        assert gateway.charge(key, MONEY, self.GOOD) == declined == gateway.find(key)
        assert self.entries(gateway) == []

    def test_a_key_that_was_never_used_is_not_found(self, gateway, key):
        assert gateway.find(key) is None

    def test_ten_calls_at_once_with_one_key_are_one_charge(self, gateway, key):
        with ThreadPoolExecutor(10) as threads:
            calls = [threads.submit(gateway.charge, key, MONEY, self.GOOD) for _ in range(10)]

        assert len({call.result() for call in calls}) == 1
        assert self.entries(gateway) == [(key, "charge")]

    def test_a_refund_is_an_operation_of_its_own_and_done_once(self, gateway, key):
        refund_key = str(uuid4())
        charged = gateway.charge(key, MONEY, self.GOOD)

        refunded = gateway.refund(refund_key, MONEY, key)

        assert refunded.declined is None
        assert refunded.reference != charged.reference
        assert gateway.refund(refund_key, MONEY, key) == refunded == gateway.find(refund_key)
        assert self.entries(gateway) == [(key, "charge"), (refund_key, "refund")]

    def test_no_more_is_refunded_than_was_charged(self, gateway, key):
        gateway.charge(key, MONEY, self.GOOD)

        assert gateway.refund(str(uuid4()), MORE, key).declined
        assert gateway.refund(str(uuid4()), MONEY, key).declined is None
        assert gateway.refund(str(uuid4()), Money(amount=1, currency="EUR"), key).declined

    def test_two_refunds_at_once_do_not_give_back_twice(self, gateway, key):
        gateway.charge(key, MONEY, self.GOOD)

        with ThreadPoolExecutor(4) as threads:
            calls = [threads.submit(gateway.refund, str(uuid4()), MONEY, key) for _ in range(4)]

        assert [call.result().declined for call in calls].count(None) == 1

    def test_a_charge_that_was_not_good_cannot_be_refunded(self, gateway, key):
        gateway.charge(key, MONEY, self.DECLINED)

        assert gateway.refund(str(uuid4()), MONEY, key).declined
        assert gateway.refund(str(uuid4()), MONEY, str(uuid4())).declined

    def test_a_refund_that_the_gateway_refuses_is_an_answer(self, gateway, key):
        gateway.charge(key, MONEY, self.REFUSES_REFUNDS)

        assert gateway.refund(str(uuid4()), MONEY, key).declined

    def test_a_charge_without_an_answer_is_unknown_and_then_found(self, gateway, key):
        with pytest.raises(OutcomeUnknown):
            gateway.charge(key, MONEY, self.CHARGED_WITHOUT_ANSWER)

        found = gateway.find(key)
        assert found is not None
        assert found.declined is None
        assert gateway.charge(key, MONEY, self.CHARGED_WITHOUT_ANSWER) == found

    @pytest.mark.parametrize("card", ["HANGS_FIRST", "FAILS_FIRST"])
    def test_a_charge_that_failed_is_unknown_not_found_and_may_be_made_again(self, gateway, key, card):
        token = getattr(self, card)
        with pytest.raises(OutcomeUnknown):
            gateway.charge(key, MONEY, token)

        assert gateway.find(key) is None
        assert gateway.charge(key, MONEY, token).declined is None
        assert self.entries(gateway) == [(key, "charge")]

    def test_a_gateway_that_never_says_leaves_charge_and_question_unknown(self, gateway, key):
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                gateway.charge(key, MONEY, self.NEVER_SAYS)
            with pytest.raises(OutcomeUnknown):
                gateway.find(key)

    def test_a_gateway_that_is_not_there_leaves_everything_unknown(self, unreachable, key):
        with pytest.raises(OutcomeUnknown):
            unreachable.charge(key, MONEY, self.GOOD)
        with pytest.raises(OutcomeUnknown):
            unreachable.refund(key, MONEY, key)
        with pytest.raises(OutcomeUnknown):
            unreachable.find(key)


class TestHttpGateway(GatewayContract):
    """The adapter for HTTP, against the simulated gateway."""

    @pytest.fixture
    def gateway(self, gateway_at):
        return HttpGateway(gateway_at(), 10, ANSWER_SECONDS)

    @pytest.fixture
    def unreachable(self, free_port):
        return HttpGateway(f"http://127.0.0.1:{free_port()}", 1, ANSWER_SECONDS)

    def entries(self, gateway):
        return [(e["key"], e["operation"]) for e in operations(gateway._url) if e["declined"] is None]


class TestLocalGateway(GatewayContract):
    """The adapter without HTTP, for the simulated gateway's rules in this process."""

    @pytest.fixture
    def path(self, tmp_path):
        return str(tmp_path / "ledger.sqlite")

    @pytest.fixture
    def local(self, path):
        """A function that opens the adapter, as a process of its own would."""
        with ExitStack() as opened:

            def open_gateway(stop=None):
                ledger = opened.enter_context(closing(Ledger(path)))
                return LocalGateway(Cards(ledger, 0.0), stop or threading.Event())

            yield open_gateway

    @pytest.fixture
    def gateway(self, local):
        return local()

    @pytest.fixture
    def unreachable(self, local):
        gateway = local()
        gateway._cards.ledger.close()
        return gateway

    def entries(self, gateway):
        kept = gateway._cards.ledger.entries(0, 10)
        return [(e["key"], e["operation"]) for e in kept if e["declined"] is None]

    @pytest.mark.parametrize("card", ["HANGS_FIRST", "FAILS_FIRST", "CHARGED_WITHOUT_ANSWER"])
    def test_after_a_restart_it_is_known_what_was_called_before(self, local, key, card):
        with pytest.raises(OutcomeUnknown):
            local().charge(key, MONEY, getattr(self, card))

        assert local().charge(key, MONEY, getattr(self, card)).declined is None

    def test_a_charge_that_was_answered_outlives_a_kill(self, path, local, key):
        process = "import sys; from tests.cashier import charge_and_kill; charge_and_kill(*sys.argv[1:])"

        killed = subprocess.run([sys.executable, "-c", process, path, key], cwd=ROOT, check=False)

        assert killed.returncode == -signal.SIGKILL
        assert self.entries(local()) == [(key, "charge")]

    def test_two_processes_do_not_give_back_twice(self, local, key):
        gateways = [local() for _ in range(4)]
        gateways[0].charge(key, MONEY, self.GOOD)

        with ThreadPoolExecutor(4) as threads:
            calls = [threads.submit(each.refund, str(uuid4()), MONEY, key) for each in gateways]

        assert [call.result().declined for call in calls].count(None) == 1

    def test_a_slow_charge_is_waited_for_but_not_when_stopped(self, local, key):
        stop = threading.Event()
        stop.set()
        began = time.monotonic()
        stopped = local(stop).charge(key, MONEY, "tok_slow")
        at_once = time.monotonic() - began

        slow = local().charge(str(uuid4()), MONEY, "tok_slow")

        assert stopped.declined is slow.declined is None
        assert at_once < SLOW_SECONDS <= time.monotonic() - began


def test_a_card_is_that_of_a_keys_first_charge(gateway_at, key):
    """Whichever of them is remembered, and whichever is not."""
    gateway = HttpGateway(gateway_at(), 1, ANSWER_SECONDS)
    plain, refusing = key, str(uuid4())
    gateway.charge(plain, MONEY, "tok_ok")
    gateway.charge(plain, MONEY, "tok_refund_refused")
    gateway.charge(refusing, MONEY, "tok_refund_refused")
    gateway.charge(refusing, MONEY, "tok_ok")

    assert gateway.charge(plain, MONEY, "tok_error_then_ok").declined is None
    assert gateway.refund(str(uuid4()), MONEY, plain).declined is None
    assert gateway.refund(str(uuid4()), MONEY, refusing).declined


def test_the_adapter_is_chosen_by_the_url(tmp_path):
    stop = threading.Event()
    local = gateway_at_url(f"sqlite:{tmp_path}/ledger.sqlite", 1, 1.0, stop)

    assert isinstance(gateway_at_url("https://there", 1, 0.0, stop), HttpGateway)
    assert local.charge(str(uuid4()), MONEY, "tok_ok").declined == "a simulated failure"
    local._cards.ledger.close()


def test_the_ledger_can_be_read_over_http_and_as_a_file(tmp_path, free_port, key):
    path = str(tmp_path / "ledger.sqlite")
    with GatewayProcess(free_port(), path).running() as url:
        gateway = HttpGateway(url, 1, ANSWER_SECONDS)
        gateway.charge(key, MONEY, "tok_ok")
        gateway.refund(str(uuid4()), MONEY, key)
        gateway.charge(str(uuid4()), MORE, "tok_declined")

        told, read = _read_gateway(url), _read_gateway(f"sqlite:{path}")

    assert told == read
    assert [(e.number, e.operation, e.declined) for e in read] == [
        (1, "charge", None),
        (2, "refund", None),
        (3, "charge", "the card was declined"),
    ]


@pytest.mark.parametrize("token", ["tok_timeout_not_charged", "tok_error_then_ok"])
def test_the_simulated_gateway_knows_after_its_restart_what_was_called_before(tmp_path, free_port, token):
    process, key = GatewayProcess(free_port(), str(tmp_path / "ledger.sqlite")), str(uuid4())
    with process.running() as url, pytest.raises(OutcomeUnknown):
        HttpGateway(url, 1, ANSWER_SECONDS).charge(key, MONEY, token)

    with process.running() as url:
        outcome = HttpGateway(url, 1, ANSWER_SECONDS).charge(key, MONEY, token)

    assert outcome.declined is None


def test_a_refund_of_the_simulated_gateway_reads_its_own_charge_only(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger(str(path))
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {_HELD}", ("a-charge", "EUR")).fetchall()

    assert "SCAN" not in str(plan)


def test_a_slow_gateway_is_waited_for(gateway_at):
    outcome = HttpGateway(gateway_at(), 1, answer_seconds=4).charge(str(uuid4()), MONEY, "tok_slow")

    assert outcome.declined is None
