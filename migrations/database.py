"""Where a service's database is, seen by those who prepare it."""

from pathlib import Path

from sqlalchemy import URL, Engine, create_engine

from contracts.services import AUDIT, SERVICE
from runtime.database import database_url
from runtime.environment import Environment

# A migration may wait for the locks it needs, but not so long that services pile up behind it.
OWNERS = {**SERVICE, AUDIT.name: AUDIT}
_LIMITS = "-c lock_timeout=10s -c timezone=UTC"


def admin_url(environment: Environment) -> URL:
    """A superuser's way to the cluster: ADMIN_DATABASE_URL."""
    return database_url(environment, "ADMIN_DATABASE_URL")


def admin_engine(url: URL, database: str | None = None) -> Engine:
    """A superuser's engine, each statement its own transaction."""
    target = url.set(database=database) if database else url
    return create_engine(
        target, isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args={"connect_timeout": 10}
    )


def migrator_url(service: str, cluster: URL, secrets: Path) -> URL:
    """The service's own database, as the role that owns its tables."""
    owner = OWNERS[service]
    role = owner.role("migrator")
    password = (secrets / role).read_text().strip()
    return cluster.set(username=role, password=password, database=owner.database)


def migrator_engine(service: str, environment: Environment) -> Engine:
    """The same, from ADMIN_DATABASE_URL and SECRETS_DIR."""
    cluster = admin_url(environment)
    secrets = Path(environment.text("SECRETS_DIR"))
    environment.check()
    url = migrator_url(service, cluster, secrets)
    return create_engine(url, hide_parameters=True, connect_args={"connect_timeout": 10, "options": _LIMITS})
