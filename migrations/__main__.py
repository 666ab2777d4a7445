"""Prepare every database: `python -m migrations`. Safe to repeat.

Roles and databases first, then each history up to its head, then the partitions of the days around
today.
"""

from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config

from contracts.services import SERVICE
from messaging import sql
from messaging.partitions import DAYS_AHEAD
from migrations.bootstrap import bootstrap
from migrations.database import OWNERS, admin_engine, admin_url, migrator_engine
from runtime.environment import Environment
from runtime.logs import configure

ROOT = Path(__file__).parent.parent

log = structlog.get_logger(__name__)


def upgrade(room: str, environment: Environment) -> None:
    """Bring one room's database to the head of its history."""
    engine = migrator_engine(room, environment)
    config = Config(ROOT / "alembic.ini", ini_section=room)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if room in SERVICE:
            connection.execute(sql.MAKE_PARTITIONS, {"days_ahead": DAYS_AHEAD})
    engine.dispose()
    log.info("database is ready", room=room)


def main() -> None:
    environment = Environment()
    configure("migrate")
    admin = admin_engine(admin_url(environment))
    secrets = Path(environment.text("SECRETS_DIR"))
    environment.check()
    bootstrap(admin, secrets)
    admin.dispose()
    for room in OWNERS:
        upgrade(room, environment)


if __name__ == "__main__":
    main()
