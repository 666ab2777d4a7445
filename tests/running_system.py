"""The whole system as a test sees it: over HTTP, through its databases and topics, and by its pids."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from sqlalchemy import URL, Engine, create_engine, make_url, text

from chaos.evidence import Endpoints
from contracts.services import AUDITOR_ROLE, SERVICE, SERVICES
from runtime.waiting import until
from stack import record
from stack.layout import ROOT, Layout

FINAL = {"COMPLETED", "FAILED", "OUT_OF_STOCK", "CANCELLED"}


@dataclass
class RunningSystem:
    layout: Layout
    _engines: dict[str, Engine] = field(default_factory=dict)

    # ── as a customer

    def post(self, path: str, body: Any, service: str = "order", **options: Any) -> requests.Response:
        return requests.post(self.layout.url(service) + path, json=body, timeout=10, **options)

    def get(self, path: str, service: str = "order") -> Any:
        response = requests.get(self.layout.url(service) + path, timeout=10)
        response.raise_for_status()
        return response.json()

    def place(self, sku: str = "PIZZA", quantity: int = 1, token: str = "tok_ok", **headers: str) -> str:
        body = {"items": [{"sku": sku, "quantity": quantity}], "payment_token": token}
        response = self.post("/orders", body, headers=headers)
        assert response.status_code == 201, response.text
        return response.json()["order_id"]

    def final_status(self, order_id: str, within_seconds: float = 60) -> str:
        def final() -> str | None:
            status = self.get(f"/orders/{order_id}")["status"]
            return status if status in FINAL else None

        return until(
            final,
            within_seconds=within_seconds,
            what=f"order {order_id} to be final",
            retry_on=(requests.RequestException,),
        )

    @contextmanager
    def orders_flowing(self, per_second: float = 10) -> Iterator[list[str]]:
        """Orders are placed all the while, of every kind; answers with the ids of those accepted."""
        stop, accepted = threading.Event(), list[str]()

        def flow() -> None:
            kinds = [
                ("PIZZA", "tok_ok"),
                ("LAPTOP", "tok_ok"),
                ("PIZZA", "tok_declined"),
                ("SOLD-OUT", "tok_ok"),
            ]
            number = 0
            while not stop.wait(1 / per_second):
                sku, token = kinds[number % len(kinds)]
                number += 1
                try:
                    accepted.append(self.place(sku, 1, token))
                except (requests.RequestException, AssertionError):
                    continue  # not accepted, so nothing was promised

        thread = threading.Thread(target=flow, daemon=True)
        thread.start()
        try:
            yield accepted
        finally:
            stop.set()
            thread.join(timeout=15)

    # ── as an operator

    def status(self) -> dict[str, Any]:
        done = self.run("status", "--json")
        return json.loads(done.stdout.splitlines()[-1])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `./run` command on this system."""
        command = [sys.executable, "-m", "stack", *arguments, "--state", str(self.layout.state)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    def node(self, name: str) -> record.NodeRecord:
        now = record.read_running(self.layout.state)
        assert now is not None, "the stack is gone"
        return next(node for node in now.nodes if node.name == name)

    def names(self, *kinds: str) -> list[str]:
        now = record.read_running(self.layout.state)
        assert now is not None
        return [node.name for node in now.nodes if node.kind in kinds]

    def kill(self, name: str) -> int:
        """kill -9, and the pid it had."""
        pid = self.node(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    @contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """Processes that do nothing while the `with` lasts."""
        with ExitStack() as thawed:
            for pid in [self.node(name).pid for name in names]:
                assert pid is not None
                os.kill(pid, signal.SIGSTOP)
                thawed.callback(os.kill, pid, signal.SIGCONT)
            yield

    def wait_until_back(self, name: str, dead_pid: int, within_seconds: float = 90) -> None:
        def back() -> bool:
            node = self.node(name)
            return node.state == "running" and node.pid not in {None, dead_pid}

        until(back, within_seconds=within_seconds, what=f"{name} to run again")

    def log(self, name: str) -> str:
        return (self.layout.logs / f"{name}.log").read_text()

    def tail_logs(self, name: str, lines: int = 30) -> str:
        return "\n".join(self.log(name).splitlines()[-lines:])

    # ── as an auditor

    def query(self, service: str, statement: str) -> list[tuple[Any, ...]]:
        with self._engine(service).connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def endpoints(self, **more: Any) -> Endpoints:
        """Where everything is, for the checker."""
        return Endpoints(
            bootstrap_servers=self.layout.bootstrap_servers,
            databases={service.name: self._database_url(service.name) for service in SERVICES},
            urls={service.name: self.layout.url(service.name) for service in SERVICES},
            gateway=self.layout.url("gateway"),
            **more,
        )

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()

    def _engine(self, service: str) -> Engine:
        if service not in self._engines:
            self._engines[service] = create_engine(self._database_url(service), pool_pre_ping=True)
        return self._engines[service]

    def _database_url(self, service: str) -> URL:
        url = make_url(self.layout.database_url(AUDITOR_ROLE, SERVICE[service].database))
        return url.set(password=(self.layout.secrets / AUDITOR_ROLE).read_text().strip())
