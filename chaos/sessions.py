"""Sessions with a database that a run looks at, or breaks something in."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.pool import NullPool

# A database that is down, frozen or locked may hold up a run, and not for ever.
_BOUNDED = {
    "connect_timeout": 5,
    "options": "-c statement_timeout=30s -c lock_timeout=5s",
}


@contextmanager
def autocommit(url: URL) -> Iterator[Connection]:
    """A session in which each statement is a transaction, closed when done.

    Raises sqlalchemy.exc.SQLAlchemyError, also when a statement takes longer than 30 s or a lock 5 s.
    """
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_BOUNDED)
    with engine.connect() as connection:
        yield connection
