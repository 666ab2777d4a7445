"""What several tests of the whole system share."""

import pytest
from sqlalchemy import create_engine, make_url, text


@pytest.fixture
def as_superuser(system):
    """A function that runs a statement in a database as Postgres' superuser."""
    password = (system.layout.secrets / "postgres").read_text().strip()
    engines = {}

    def run(statement, database="postgres"):
        url = make_url(system.layout.database_url("postgres", database)).set(password=password)
        engines.setdefault(database, create_engine(url, isolation_level="AUTOCOMMIT"))
        with engines[database].connect() as connection:
            connection.execute(text(statement))

    yield run
    for engine in engines.values():
        engine.dispose()
