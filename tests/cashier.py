"""The payment service as a test drives it, and the simulated gateway it is driven against."""

import os
import signal
import threading
from contextlib import contextmanager

import requests
from sqlalchemy import text
from werkzeug.serving import make_server

from messaging.batch import BatchProcessor
from payment import handlers
from payment.executor import Executor
from payment.gateway import HttpGateway
from payment.simulated_cards import Cards
from payment.simulated_gateway import SimulatedGateway, create_app
from payment.simulated_ledger import Ledger
from payment.simulated_webhooks import WebhookSender
from runtime.waiting import until
from tests.builders import a_delivery

ANSWER_SECONDS = 0.5  # what hangs is waited for no longer


class Cashier:
    """Gives the service its messages, runs its executor, and looks at its tables."""

    def __init__(self, engine, owner):
        self.engine, self.owner = engine, owner
        self.processor = BatchProcessor(engine, handlers.consumer())

    def receives(self, *messages):
        self.processor.process([a_delivery(m) for m in messages])

    def executor(self, url, stop=None):
        return Executor(self.engine, HttpGateway(url, 4, ANSWER_SECONDS), "test", stop or threading.Event())

    def execute(self, url):
        """Run an executor until nothing is requested any more."""
        with self.executing(url):
            until(lambda: not self.open_intents(), within_seconds=30, what="intents to be settled")

    @contextmanager
    def executing(self, url):
        """An executor runs all the while."""
        stop = threading.Event()
        executor = self.executor(url, stop)
        running = threading.Thread(target=executor.run)
        running.start()
        try:
            yield
        finally:
            stop.set()
            executor.wake.set()
            running.join(timeout=30)

    def rows(self, statement):
        with self.owner.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def change(self, statement):
        with self.owner.begin() as connection:
            connection.execute(text(statement))

    def open_intents(self):
        return self.rows("SELECT id FROM payment_intents WHERE state = 'REQUESTED'")

    def payment(self):
        """The only payment: its status, and what was captured and refunded."""
        [payment] = self.rows("SELECT status, captured, refunded FROM payments")
        return payment

    def fence(self):
        """The only fence: its state and its epoch."""
        [fence] = self.rows("SELECT state, epoch FROM fences")
        return fence

    def told(self):
        return [kind for (kind,) in self.rows("SELECT type FROM outbox ORDER BY id")]

    def last_told(self):
        """The last payload, without the order's id."""
        told = self.rows("SELECT payload FROM outbox ORDER BY id DESC LIMIT 1")[0][0]
        return {name: value for name, value in told.items() if name != "order_id"}

    def is_in_sync(self, url):
        """Whether the service's ledger and the gateway's say the same."""
        ours = self.rows("SELECT operation, amount FROM payment_ledger ORDER BY id")
        theirs = [
            (entry["operation"], entry["amount"] if entry["operation"] == "charge" else -entry["amount"])
            for entry in operations(url)
            if entry["declined"] is None
        ]
        return ours == theirs


class GatewayProcess:
    """The simulated gateway on a port, as often as it is started, over one ledger file."""

    def __init__(self, port, path):
        self.url = f"http://127.0.0.1:{port}"
        self._port, self._path = port, path

    @contextmanager
    def running(self, *, failure_rate=0.0, webhook_url="", secrets=()):
        stop = threading.Event()
        ledger = Ledger(self._path)
        webhooks = WebhookSender(webhook_url, secrets, stop)
        app = create_app(SimulatedGateway(Cards(ledger, failure_rate), webhooks, stop))
        server = make_server("127.0.0.1", self._port, app, threaded=True)
        threads = [
            threading.Thread(target=each, daemon=True) for each in (server.serve_forever, webhooks.run)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self.url
        finally:
            stop.set()
            server.shutdown()
            server.server_close()
            ledger.close()


def operations(url):
    """What the gateway's ledger holds."""
    return requests.get(f"{url}/operations", timeout=5).json()["operations"]


def charge_and_kill(path, key):
    """Charge a good card at a ledger of this process, and end it as nothing can be ended more suddenly."""
    Cards(Ledger(path), 0.0).charge(key, 100, "EUR", "tok_ok")
    os.kill(os.getpid(), signal.SIGKILL)
