"""The services' processes: what each is started with, and what must be there before."""

from collections.abc import Iterator

from contracts.services import AUDITOR_ROLE, INVENTORY, ORDER, PAYMENT, SERVICES, Service
from runtime import spans
from stack import credentials
from stack.layout import Layout
from stack.node import Answers, Kind, Node

# gunicorn gives the requests that are under way 10 s of their own, and needs a moment to end itself.
API_STOP_SECONDS = 15


def nodes(layout: Layout) -> Iterator[Node]:
    if not layout.local_gateway:
        yield _gateway(layout)
    for service in SERVICES:
        yield _api(layout, service)
        yield _worker(layout, service)
    yield _executor(layout)
    yield _deadlines(layout)


def database(layout: Layout, service: Service, prefix: str = "", duty: str = "app") -> dict[str, str]:
    """The way to a service's database of one of its roles, as `DATABASE_URL` or `<PREFIX>_DATABASE_URL`."""
    role = service.role(duty)
    return {
        f"{prefix}DATABASE_URL": layout.database_url(role, service.database),
        f"{prefix}DATABASE_PASSWORD_FILE": str(layout.secrets / role),
    }


def as_auditor(layout: Layout, service: Service) -> dict[str, str]:
    """The way to the service's database of who only looks, under `<SERVICE>_DATABASE_URL`."""
    name = service.name.upper()
    return {
        f"{name}_DATABASE_URL": layout.database_url(AUDITOR_ROLE, service.database),
        f"{name}_DATABASE_PASSWORD_FILE": str(layout.secrets / AUDITOR_ROLE),
    }


def _gateway(layout: Layout) -> Node:
    return Node(
        name="gateway",
        kind=Kind.GATEWAY,
        command=(layout.python, "-m", "payment.simulated_gateway"),
        port=layout.port("gateway"),
        ready=Answers("/operations"),
        environment={
            "HTTP_BIND": layout.address("gateway"),
            "GATEWAY_DATABASE": str(layout.gateway_ledger),
            **_failures(layout),
            "WEBHOOK_URL": f"{layout.url('payment')}/webhooks/gateway",
            **_webhook_secret(layout),
        },
    )


def _failures(layout: Layout) -> dict[str, str]:
    """How often a good charge is declined, for the process that the gateway is in."""
    return {"PAYMENT_FAILURE_RATE": str(layout.payment_failure_rate)}


def _api(layout: Layout, service: Service) -> Node:
    app = f"{service.name}.app:create_app()"
    limits = {"RATE_LIMIT": layout.rate_limit} if service is ORDER else {}
    return Node(
        name=service.name,
        kind=Kind.API,
        command=served(layout, app),
        port=layout.port(service.name),
        ready=Answers("/readyz"),
        after=("slots",),
        stop_seconds=API_STOP_SECONDS,
        environment={
            "HTTP_BIND": layout.address(service.name),
            "OPERATOR_TOKEN_FILE": str(layout.secrets / "operator_token"),
            "KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap_servers,
            **database(layout, service),
            **patience(layout, service),
            **collector(layout),
            **limits,
            **(_webhook_secret(layout) if service is PAYMENT else {}),
        },
    )


def served(layout: Layout, app: str) -> tuple[str, ...]:
    """The command that serves a Flask application."""
    return (layout.python, "-m", "gunicorn", "--config", "web/gunicorn.conf.py", app)


def _webhook_secret(layout: Layout) -> dict[str, str]:
    """The gateway signs with it, and the payment service knows the gateway by it."""
    return {"WEBHOOK_SECRET_FILE": str(layout.shared_with_gateway / credentials.WEBHOOK)}


def _worker(layout: Layout, service: Service) -> Node:
    name = f"{service.name}-worker"
    failures = {"STOCK_FAILURE_RATE": str(layout.stock_failure_rate)} if service is INVENTORY else {}
    return Node(
        name=name,
        kind=Kind.WORKER,
        command=(layout.python, "-m", f"{service.name}.worker"),
        port=layout.port(name),
        ready=Answers("/readyz"),
        after=("slots", "topics"),
        environment={
            "HEALTH_BIND": layout.address(name),
            "KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap_servers,
            **database(layout, service),
            **failures,
            **patience(layout, service),
            **collector(layout),
        },
    )


def collector(layout: Layout) -> dict[str, str]:
    """Where spans go, for every process that has some."""
    return {spans.ENDPOINT: layout.otlp_endpoint}


def patience(layout: Layout, service: Service) -> dict[str, str]:
    """How long sagas wait, for every process that moves them."""
    seconds = layout.order_deadline_seconds
    if service is not ORDER:
        return {}
    return {"ORDER_DEADLINE_SECONDS": str(seconds), "ORDER_UNDO_DEADLINE_SECONDS": str(2 * seconds)}


def _executor(layout: Layout) -> Node:
    name = "payment-executor"
    return Node(
        name=name,
        kind=Kind.WORKER,
        command=(layout.python, "-m", "payment.executor"),
        port=layout.port(name),
        ready=Answers("/readyz"),
        # What waits for a node stops before it: the calls under way still reach the gateway.
        after=("slots",) if layout.local_gateway else ("slots", "gateway"),
        environment={
            "HEALTH_BIND": layout.address(name),
            "GATEWAY_URL": layout.gateway_url,
            **(_failures(layout) if layout.local_gateway else {}),
            **collector(layout),
            **database(layout, PAYMENT),
        },
    )


def _deadlines(layout: Layout) -> Node:
    name = "order-deadlines"
    return Node(
        name=name,
        kind=Kind.WORKER,
        command=(layout.python, "-m", "order.deadlines"),
        port=layout.port(name),
        ready=Answers("/readyz"),
        after=("slots",),
        environment={
            "HEALTH_BIND": layout.address(name),
            **database(layout, ORDER),
            **patience(layout, ORDER),
        },
    )
