"""The saga as a DBOS workflow behind Flask: the steps are local transactions, their results are checkpoints.

A step is done at least once, so its statement may be repeated.
"""

import threading
from typing import Any

import psycopg
from dbos import DBOS, SetWorkflowID
from flask import Flask, request

from benchmarks.peers import sql
from benchmarks.peers.books import DATABASES
from runtime.environment import Environment

# Of the executor: more threads wait for the interpreter, not for Postgres.
THREADS = 8

Order = dict[str, Any]

_environment = Environment()
_urls = {name: _environment.text(f"{name.upper()}_URL") for name in DATABASES}
_of_thread = threading.local()


def ask(database: str, statement: str, *values: Any) -> Any:
    """The only value of the only row, if there is one; the statement is the whole transaction."""
    if not hasattr(_of_thread, database):
        connection = psycopg.connect(_urls[database], autocommit=True, cursor_factory=psycopg.RawCursor)
        setattr(_of_thread, database, connection)
    cursor = getattr(_of_thread, database).execute(statement, values)
    return cursor.fetchone()[0] if cursor.description else None


def place(order: Order) -> None:
    ask("orders", sql.PLACE, *(order[name] for name in ("id", "sku", "quantity", "amount")))


def charge(order: Order) -> str:
    return str(ask("payments", sql.CHARGE, order["id"], order["token"], order["amount"]))


def reserve(order: Order) -> str:
    return str(ask("inventory", sql.RESERVE, order["id"], order["sku"], order["quantity"]))


def refund(order: Order) -> None:
    ask("payments", sql.REFUND, order["id"])


def end(order: Order, status: str) -> None:
    ask("orders", sql.END, order["id"], status)


def run(order: Order) -> str:
    """The saga; answers the order's last status."""
    DBOS.run_step({"name": "place"}, place, order)
    if DBOS.run_step({"name": "charge"}, charge, order) == "DECLINED":
        status = "FAILED"
    elif DBOS.run_step({"name": "reserve"}, reserve, order) == "REFUSED":
        DBOS.run_step({"name": "refund"}, refund, order)
        status = "CANCELLED"
    else:
        status = "COMPLETED"
    DBOS.run_step({"name": "end"}, end, order, status)
    return status


def create_app() -> Flask:
    """The service, its workflow registered and DBOS launched on the database of DBOS_URL."""
    DBOS(
        config={
            "name": "orders",
            "system_database_url": _environment.text("DBOS_URL"),
            "max_executor_threads": THREADS,
            "log_level": "WARNING",
        }
    )
    _environment.check()
    saga = DBOS.workflow()(run)
    DBOS.launch()
    app = Flask("dbos")

    def orders() -> tuple[str, int]:
        order = request.get_json()
        with SetWorkflowID(order["id"]):
            DBOS.start_workflow(saga, order)
        return "", 202

    app.post("/orders")(orders)
    return app
