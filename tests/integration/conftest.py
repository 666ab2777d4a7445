"""One Postgres for all integration tests; for each test, databases cloned from migrated ones."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import URL, Engine, NullPool, create_engine, event, text

from contracts.services import AUDITOR_ROLE, Service
from migrations.__main__ import ROOT, upgrade
from migrations.bootstrap import bootstrap, keep_apart
from migrations.database import OWNERS, admin_engine
from runtime.environment import Environment
from stack.postgres import cluster
from tests.cashier import Cashier, GatewayProcess
from web.app import WebSettings

OPERATORS_TOKEN = "the-operators-token"


class Databases:
    """The services' databases of one test, copied from the migrated ones when first asked for."""

    def __init__(self, cluster: URL, secrets: Path) -> None:
        self._cluster = cluster
        self._secrets = secrets
        self._admin = admin_engine(cluster)
        self._copied: set[str] = set()

    def url(self, service: str, duty: str = "app") -> URL:
        """As one of the service's roles."""
        role = AUDITOR_ROLE if duty == "auditor" else OWNERS[service].role(duty)
        password = (self._secrets / role).read_text().strip()
        return self.admin(service).set(username=role, password=password)

    def admin(self, service: str) -> URL:
        """As superuser."""
        name = f"{OWNERS[service].database}_of_a_test"
        if service not in self._copied:
            self._copy(OWNERS[service], name)
        return self._cluster.set(database=name)

    def restore(self, service: str) -> None:
        """Put the database back to what it was at first, as from a backup; who is connected is cut off."""
        name = self.admin(service).database
        with self._admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        self._copied.discard(service)
        self.admin(service)

    def drop(self) -> None:
        with self._admin.connect() as connection:
            for service in self._copied:
                connection.execute(text(f"DROP DATABASE {OWNERS[service].database}_of_a_test WITH (FORCE)"))
        self._admin.dispose()

    def _copy(self, service: Service, name: str) -> None:
        owner = service.role("migrator")
        with self._admin.connect() as connection:
            connection.execute(
                text(f"CREATE DATABASE {name} TEMPLATE {service.database} STRATEGY FILE_COPY OWNER {owner}")
            )
        self._copied.add(service.name)
        keep_apart(admin_engine(self._cluster, name), service)  # a copy does not bring its grants


@pytest.fixture(scope="session")
def templates(tmp_path_factory, free_port) -> Iterator[Callable]:
    """A function from a day to a cluster whose databases were migrated on that day.

    Days have partitions of their own, and tests compare them with today: what was made yesterday will not do.
    """
    made: dict[date, tuple[URL, Path]] = {}
    with ExitStack() as running:

        def of(day: date) -> tuple[URL, Path]:
            if day not in made:
                folder = tmp_path_factory.mktemp("postgres")
                server = running.enter_context(cluster(folder, free_port(), durable=False))
                made[day] = _migrate_all(server.url, tmp_path_factory.mktemp("secrets"))
            return made[day]

        yield of


def _migrate_all(server: URL, secrets: Path) -> tuple[URL, Path]:
    environment = Environment(
        {
            "ADMIN_DATABASE_URL": server.render_as_string(hide_password=False),
            "SECRETS_DIR": str(secrets),
        }
    )
    admin = admin_engine(server)
    bootstrap(admin, secrets)
    admin.dispose()
    for room in OWNERS:
        upgrade(room, environment)
    return server, secrets


@pytest.fixture
def migrated(templates) -> tuple[URL, Path]:
    """A cluster whose databases stand at the head of their histories, and where the passwords are."""
    return templates(datetime.now(UTC).date())


@pytest.fixture
def databases(migrated) -> Iterator[Databases]:
    """Fresh copies, so that no test sees another's rows."""
    copies = Databases(*migrated)
    yield copies
    copies.drop()


@pytest.fixture
def migrate(databases):
    """A function that runs an Alembic command on one service's database, as its migrator."""

    def run(service, action, *arguments):
        config = Config(ROOT / "alembic.ini", ini_section=service)
        engine = create_engine(databases.url(service, "migrator"), poolclass=NullPool)
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            action(config, *arguments)

    return run


@pytest.fixture
def engine_of(databases) -> Iterator:
    """A function from (service, duty) to an engine on that service's database."""
    opened: list[Engine] = []

    def open_engine(service: str, duty: str = "app") -> Engine:
        opened.append(create_engine(databases.url(service, duty), pool_size=5))
        return opened[-1]

    yield open_engine
    for engine in opened:
        engine.dispose()


@pytest.fixture
def statements_on():
    """A context that collects the statements that an engine executes."""

    @contextmanager
    def collect(engine: Engine) -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection, _cursor, statement, *_rest):
            seen.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return collect


@pytest.fixture
def client_of(databases):
    """A function from a service's factory and name to an HTTP client of it."""

    opened = []

    def open_client(create_app, service, *, servers=(), **url):
        settings = WebSettings(databases.url(service).set(**url), servers, OPERATORS_TOKEN)
        opened.append(create_app(settings))
        return opened[-1].test_client()

    yield open_client
    for app in opened:
        app.extensions["engine"].dispose()


@pytest.fixture
def cashier(engine_of) -> Cashier:
    """The payment service, without its processes."""
    return Cashier(engine_of("payment"), engine_of("payment", "migrator"))


@pytest.fixture
def gateway_at(tmp_path, free_port) -> Iterator:
    """A function that starts the simulated gateway, and gives its URL."""
    with ExitStack() as running:

        def start(**settings) -> str:
            port = free_port()
            process = GatewayProcess(port, str(tmp_path / f"ledger-{port}.sqlite"))
            return running.enter_context(process.running(**settings))

        yield start
