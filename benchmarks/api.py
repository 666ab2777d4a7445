"""How many orders a second are committed over HTTP: `./run bench api [--rounds N]`.

The floor is pgbench with the same rows in one transaction, by as many clients, on the same cluster; the two
take turns. Then both at 70 % of their own rate, in an open loop: how late an answer is, from when its request
was meant to be sent. Nothing relays or handles what is written, so a run says nothing of whole orders.
"""

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from benchmarks.databases import Databases, databases, free_port
from benchmarks.feeder import CLIENTS
from benchmarks.system import RESULTS, spread
from chaos.measures import percentile
from contracts.services import ORDER
from migrations.database import admin_engine
from runtime.waiting import until
from stack.leash import leashed
from stack.postgres import SUPERUSER, Server
from stack.postgres_home import installed

SECONDS, WARM_UP_SECONDS, START_SECONDS_MAX = 10.0, 3.0, 30.0
SHARE_OF_RATE = 0.7
# What is told of it, and the two commands that go with it.
EVENTS_AN_ORDER = 3
SCRIPT = Path(__file__).with_name("place_order.sql")
_BODY = json.dumps({"items": [{"sku": "PIZZA", "quantity": 1}]}).encode()
_HEADERS = {"Content-Type": "application/json"}

Figures = dict[str, Any]


@contextmanager
def service(made: Databases) -> Iterator[tuple[int, psutil.Process]]:
    """The order service as it is run everywhere, on a port of its own; no Kafka is there, nor asked for."""
    port, secrets = free_port(), made.secrets
    token = secrets / "operator_token"
    token.write_text("a token")
    environment = {
        "HTTP_BIND": f"127.0.0.1:{port}",
        "OPERATOR_TOKEN_FILE": str(token),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATABASE_URL": f"postgresql+psycopg://{ORDER.role('app')}@127.0.0.1:{made.server.url.port}/{ORDER.database}",
        "DATABASE_PASSWORD_FILE": str(secrets / ORDER.role("app")),
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "web/gunicorn.conf.py", "order.app:create_app()"]
    with (secrets / "service.log").open("w") as log:
        process = subprocess.Popen(leashed(command), env=environment, stdout=log, stderr=log)
    try:
        until(
            lambda: post(http.client.HTTPConnection("127.0.0.1", port, timeout=5)),
            within_seconds=START_SECONDS_MAX,
            what="the order service",
            retry_on=(OSError,),
        )
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


def post(connection: http.client.HTTPConnection) -> bool:
    """Whether an order was accepted."""
    connection.request("POST", "/orders", _BODY, _HEADERS)
    response = connection.getresponse()
    response.read()
    return response.status == http.client.CREATED


def closed_loop(port: int, seconds: float) -> float:
    """Orders a second, by clients each of which waits for its answer."""
    accepted, began = [0] * CLIENTS, time.monotonic()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while time.monotonic() < began + seconds:
            accepted[number] += post(connection)

    _together(client)
    return sum(accepted) / (time.monotonic() - began)


def open_loop(port: int, seconds: float, rate: float) -> list[float]:
    """How many milliseconds each answer came after its request was meant to be sent."""
    numbers, began, late = count(), time.monotonic(), list[float]()
    pause = threading.Event()

    def client(_number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while (meant := began + next(numbers) / rate) < began + seconds:
            pause.wait(max(meant - time.monotonic(), 0))
            if not post(connection):
                raise AssertionError("an order was refused: its answer was quick, and is no answer")
            late.append((time.monotonic() - meant) * 1000)

    _together(client)
    return sorted(late)


def pgbench(made: Databases, seconds: float, rate: float | None = None) -> list[float]:
    """The milliseconds of each transaction; with a rate, from when it was meant to begin."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        command = [
            installed(made.folder).program("pgbench"),
            "-n",
            "-M",
            "prepared",
            "-f",
            str(SCRIPT),
            "-c",
            str(CLIENTS),
        ]
        command += ["-j", "2", "-T", f"{seconds:.0f}", "-l", "--log-prefix", str(place / "log")]
        command += ["-R", f"{rate:.0f}"] if rate else []
        where = ["-h", "127.0.0.1", "-p", str(made.server.url.port), "-U", SUPERUSER, ORDER.database]
        environment = {"PGPASSWORD": str(made.server.url.password)}
        subprocess.run(
            [*command, *where], env=environment, stdout=subprocess.DEVNULL, check=True, timeout=300
        )
        lines = (line for path in place.glob("log*") for line in path.read_text().splitlines())
        # client, transaction, microseconds, ...: https://www.postgresql.org/docs/18/pgbench.html
        return sorted(int(line.split()[2]) / 1000 for line in lines)


def one_round(made: Databases, port: int, process: psutil.Process) -> Figures:
    before = _cpu(process)
    orders = closed_loop(port, SECONDS)
    spent = _cpu(process) - before
    transactions = len(pgbench(made, SECONDS)) / SECONDS
    late = open_loop(port, SECONDS, orders * SHARE_OF_RATE)
    floor = pgbench(made, SECONDS, transactions * SHARE_OF_RATE)
    return {
        "orders_a_second": orders,
        "transactions_a_second": transactions,
        "ratio": orders / transactions,
        "cpu_ms_an_order": spent / (orders * SECONDS) * 1000,
        "p99": percentile(late, 0.99),
        "pgbench_p99": percentile(floor, 0.99),
        "p99_ratio": percentile(late, 0.99) / percentile(floor, 0.99),
    }


def whole(server: Server) -> bool:
    """Whether every order that is there has what belongs to it."""
    engine = admin_engine(server.url, ORDER.database)
    with engine.connect() as connection:
        orders, sagas, events = (
            connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608
            for table in ("orders", "sagas", "outbox")
        )
    engine.dispose()
    return bool(orders == sagas and events == EVENTS_AN_ORDER * orders)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with databases([ORDER.name]) as made:
        with service(made) as (port, process):
            closed_loop(port, WARM_UP_SECONDS)
            rounds = [one_round(made, port, process) for _ in range(asked.rounds)]
        is_whole = whole(made.server)
    told = {name: spread([each[name] for each in rounds]) for name in rounds[0]}
    figures = {"machine": platform.machine(), "cores": os.cpu_count(), "clients": CLIENTS, **told}
    path = RESULTS / "api.json"
    path.write_text(json.dumps({**figures, "whole": is_whole}, indent=2) + "\n")
    sys.stdout.write(path.read_text())
    sys.exit(0 if is_whole else 1)


def _together(client: Any) -> None:
    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _cpu(process: psutil.Process) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])


if __name__ == "__main__":
    main()
