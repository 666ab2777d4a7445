"""The processes that watch over the others: what each is started with, and what must be there before."""

from collections.abc import Callable, Iterable, Iterator

from contracts.services import AUDIT, ORDER, SERVICES, Service
from stack import services
from stack.layout import Layout
from stack.node import Answers, Kind, Node
from stack.services import as_auditor

_EVERYBODY = (*SERVICES, AUDIT)


def nodes(layout: Layout) -> Iterator[Node]:
    yield _connect_supervisor(layout)
    yield _auditor(layout)
    yield _retention(layout)
    yield _exporter(layout)
    yield _dashboard(layout)


def _ways(
    owners: Iterable[Service], way: Callable[[Layout, Service], dict[str, str]], layout: Layout
) -> dict[str, str]:
    """The way to the database of each, such as `as_auditor`: of whoever only looks."""
    return {key: text for each in owners for key, text in way(layout, each).items()}


def _as_retention(layout: Layout, service: Service) -> dict[str, str]:
    return services.database(layout, service, f"{service.name.upper()}_", "retention")


def _as_itself(layout: Layout, service: Service) -> dict[str, str]:
    return services.database(layout, service, f"{service.name.upper()}_APP_")


def _connect_supervisor(layout: Layout) -> Node:
    name = "connect-supervisor"
    return Node(
        name=name,
        kind=Kind.SUPERVISOR,
        command=(layout.python, "-m", "connect.supervisor"),
        port=layout.port(name),
        ready=Answers("/readyz"),
        after=("connectors",),
        environment={
            "CONNECT_URLS": layout.connect_urls,
            "KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap_servers,
            "HEALTH_BIND": layout.address(name),
            **_ways(SERVICES, as_auditor, layout),
        },
    )


def _auditor(layout: Layout) -> Node:
    name = "auditor"
    return Node(
        name=name,
        kind=Kind.AUDITOR,
        command=(layout.python, "-m", "audit.auditor"),
        port=layout.port(name),
        ready=Answers("/readyz"),
        after=("slots", "topics"),
        environment={
            "KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap_servers,
            "HEALTH_BIND": layout.address(name),
            **_ways(_EVERYBODY, as_auditor, layout),
        },
    )


def _retention(layout: Layout) -> Node:
    name = "retention"
    return Node(
        name=name,
        kind=Kind.AUDITOR,
        command=(layout.python, "-m", "audit.retention"),
        port=layout.port(name),
        ready=Answers("/readyz"),
        after=("auditor",),
        environment={
            "HEALTH_BIND": layout.address(name),
            **as_auditor(layout, AUDIT),
            **_ways(SERVICES, _as_retention, layout),
        },
    )


def _exporter(layout: Layout) -> Node:
    name = "exporter"
    return Node(
        name=name,
        kind=Kind.MONITOR,
        command=(layout.python, "-m", "monitor.exporter"),
        port=layout.port(name),
        ready=Answers("/readyz"),
        after=("slots", "topics"),
        environment={
            "CONNECT_URLS": layout.connect_urls,
            "KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap_servers,
            "HEALTH_BIND": layout.address(name),
            **_ways(_EVERYBODY, as_auditor, layout),
        },
    )


def _dashboard(layout: Layout) -> Node:
    """It looks as the auditor, acts through HTTP as the operator, and redrives as each service itself."""
    name = "dashboard"
    return Node(
        name=name,
        kind=Kind.DASHBOARD,
        command=services.served(layout, "dashboard.app:create_app()"),
        port=layout.port(name),
        ready=Answers("/readyz"),
        # The databases must be there; whatever else is away is what its pages tell.
        after=("migrate",),
        stop_seconds=services.API_STOP_SECONDS,
        environment={
            "HTTP_BIND": layout.address(name),
            "OPERATOR_TOKEN_FILE": str(layout.secrets / "operator_token"),
            "KAFKA_BOOTSTRAP_SERVERS": layout.bootstrap_servers,
            "CONNECT_URLS": layout.connect_urls,
            "SUPERVISOR_URL": layout.url("connect-supervisor"),
            "CHAOS_REPORTS": str(layout.state / "chaos"),
            **{f"{each.name.upper()}_URL": layout.url(each.name) for each in SERVICES},
            **_ways(_EVERYBODY, as_auditor, layout),
            **_ways(SERVICES, _as_itself, layout),
            **services.patience(layout, ORDER),
            **services.collector(layout),
        },
    )
