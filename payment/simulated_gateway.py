"""A payment gateway for trying things out: a process of its own, with a ledger of its own.

`python -m payment.simulated_gateway`. It stands outside the system, so it shares nothing with the
payment service but HTTP. Money tokens: `tok_ok` is charged, `tok_declined` is declined, any other is
declined as unknown; a share PAYMENT_FAILURE_RATE of good charges is declined too, always the same ones.
Every operation is kept under its idempotency key, so a repeated call gets the first one's answer.
"""

from typing import Any

from flask import Flask, Response, jsonify, request
from pydantic import BaseModel
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, event, insert, select
from sqlalchemy.exc import IntegrityError
from werkzeug.serving import WSGIRequestHandler, make_server

from runtime.chance import happens
from runtime.environment import Environment
from runtime.logs import configure

metadata = MetaData()

operations = Table(
    "operations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("operation", String, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("currency", String, nullable=False),
    Column("charge", String),
    Column("declined", String),
)


class Charge(BaseModel):
    amount: int
    currency: str
    token: str


class Refund(BaseModel):
    amount: int
    currency: str
    charge: str


def create_app(ledger: Engine, failure_rate: float) -> Flask:
    """The gateway's HTTP over its ledger."""
    app = Flask("simulated-gateway", static_folder=None)

    @app.post("/charges")
    def charge() -> Response:
        key = request.headers["Idempotency-Key"]
        wanted = Charge.model_validate_json(request.get_data())
        declined = _declined(wanted.token, key, failure_rate)
        return _keep(ledger, key, "charge", wanted.model_dump(exclude={"token"}) | {"declined": declined})

    @app.post("/refunds")
    def refund() -> Response:
        key = request.headers["Idempotency-Key"]
        return _keep(ledger, key, "refund", Refund.model_validate_json(request.get_data()).model_dump())

    @app.get("/operations/<key>")
    def find(key: str) -> Response | tuple[Response, int]:
        found = _find(ledger, key)
        return jsonify(found) if found else (jsonify(error="unknown key"), 404)

    @app.get("/operations")
    def list_operations() -> Response:
        after = request.args.get("after", 0, type=int)
        with ledger.connect() as connection:
            rows = connection.execute(
                select(operations)
                .where(operations.c.number > after)
                .order_by(operations.c.number)
                .limit(1000)
            )
            return jsonify(operations=[dict(row._mapping) for row in rows])  # noqa: SLF001

    return app


def open_ledger(path: str) -> Engine:
    """The ledger's SQLite file: what was answered survives a kill of the process."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10})

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    metadata.create_all(engine)
    return engine


def _declined(token: str, key: str, failure_rate: float) -> str | None:
    if token == "tok_declined":  # noqa: S105 - a token of the simulation
        return "the card was declined"
    if token != "tok_ok":  # noqa: S105
        return "the token is not known"
    return "a simulated failure" if happens(f"charge {key}", failure_rate) else None


def _keep(ledger: Engine, key: str, operation: str, values: dict[str, Any]) -> Response:
    """Do it once: whoever comes second with a key gets the first one's answer."""
    try:
        with ledger.begin() as connection:
            connection.execute(insert(operations).values(key=key, operation=operation, **values))
    except IntegrityError:
        pass  # the answer below is the first one's
    return jsonify(_find(ledger, key))


def _find(ledger: Engine, key: str) -> dict[str, Any] | None:
    with ledger.connect() as connection:
        row = connection.execute(select(operations).where(operations.c.key == key)).first()
    return {"reference": f"op_{row.number}", "declined": row.declined} if row else None


class _KeepAlive(WSGIRequestHandler):
    """Connections stay open between calls, and no line is logged for each."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the ledger tells what was asked."""


def main() -> None:
    environment = Environment()
    host, port = environment.bind("HTTP_BIND")
    path = environment.text("GATEWAY_DATABASE")
    failure_rate = environment.rate("PAYMENT_FAILURE_RATE")
    environment.check()
    configure("gateway")
    app = create_app(open_ledger(path), failure_rate)
    make_server(host, port, app, threaded=True, request_handler=_KeepAlive).serve_forever()


if __name__ == "__main__":
    main()
