"""Alembic's environment for all histories; the section's name is the room's name."""

from importlib import import_module

from alembic import context
from sqlalchemy.engine import Connection

from migrations.database import migrator_engine
from runtime.environment import Environment

room = context.config.config_ini_section
models = import_module(f"{room}.models")


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=list(models.METADATA),
        include_name=_of_ours,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _of_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Partitions come and go by date; the models know only their parents."""
    return not (kind == "table" and name is not None and "_p20" in name)


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with migrator_engine(room, Environment()).connect() as opened:
        run(opened)
