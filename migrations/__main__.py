"""Prepare every database: `python -m migrations`. Safe to repeat.

Roles and databases first, then each service's history up to its head, then the partitions of the
days around today.
"""

from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config

from contracts.services import SERVICES
from messaging import sql
from messaging.partitions import DAYS_AHEAD
from migrations.bootstrap import bootstrap
from migrations.database import admin_engine, admin_url, migrator_engine
from runtime.environment import Environment
from runtime.logs import configure

ROOT = Path(__file__).parent.parent

log = structlog.get_logger(__name__)


def upgrade(service: str, environment: Environment) -> None:
    """Bring one service's database to the head of its history."""
    engine = migrator_engine(service, environment)
    config = Config(ROOT / "alembic.ini", ini_section=service)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.execute(sql.MAKE_PARTITIONS, {"days_ahead": DAYS_AHEAD})
    engine.dispose()
    log.info("database is ready", service=service)


def main() -> None:
    environment = Environment()
    configure("migrate")
    admin = admin_engine(admin_url(environment))
    secrets = Path(environment.text("SECRETS_DIR"))
    environment.check()
    bootstrap(admin, secrets)
    admin.dispose()
    for service in SERVICES:
        upgrade(service.name, environment)


if __name__ == "__main__":
    main()
