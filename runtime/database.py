"""The way to a service's database: engine, limits, and names for constraints."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import URL, BigInteger, Engine, Text, create_engine, make_url, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from runtime.environment import Environment

# Alembic can only alter what has a name, and a name is what a log shows.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

# What a Python type is in every model: times with their zone, text without a length, numbers that last.
COLUMN_TYPES = {datetime: TIMESTAMP(timezone=True), str: Text, int: BigInteger}

# When a database that says nothing is given up, in libpq's words (seconds, and the last one in milliseconds).
# Probes find out that an idle session's machine has gone. Where something was sent and is not acknowledged
# the kernel probes nothing: it sends again, for a quarter of an hour without a `tcp_user_timeout`.
_GIVEN_UP = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 11_000,
}

# What a row's column `xact` holds: the transaction that wrote it, as a number that never wraps.
THIS_TRANSACTION = text("(pg_current_xact_id()::text)::bigint")


def one_of(column: str, values: type[StrEnum]) -> str:
    """A CHECK that a column holds one of an enum's values."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


@dataclass(frozen=True, slots=True)
class DatabaseLimits:
    """How long the database may keep us, in milliseconds, and how it reads; a zombie's locks end with them.

    A prepared plan that was made while a table was empty reads all of it, and is still in use when it is
    full: until statistics were gathered, each claim of a few rows would read every row. Who does not mean
    `whole_tables` goes by an index, whatever is known of their size. Nor are parallel workers started for
    it: where a large table is thought to give many rows, that costs more than the few that it does give.
    """

    statement_ms: int = 10_000
    lock_ms: int = 5_000
    idle_in_transaction_ms: int = 10_000
    whole_tables: bool = False

    def as_options(self) -> str:
        by_index = " -c enable_seqscan=off -c max_parallel_workers_per_gather=0"
        return (
            f"-c statement_timeout={self.statement_ms} -c lock_timeout={self.lock_ms}"
            f" -c idle_in_transaction_session_timeout={self.idle_in_transaction_ms}"
            f" -c timezone=UTC{'' if self.whole_tables else by_index}"
        )


def database_url(environment: Environment, name: str = "DATABASE_URL") -> URL:
    """`DATABASE_URL`, with the password from `DATABASE_PASSWORD_FILE` where it carries none."""
    url = make_url(environment.text(name, form="postgresql+psycopg://…") or "postgresql+psycopg://")
    password_file = name.replace("_URL", "_PASSWORD_FILE")
    if url.password is None and (password := environment.file(password_file, "")):
        url = url.set(password=password)
    return url


def connect_engine(
    url: URL, *, process: str, connections: int, limits: DatabaseLimits | None = None
) -> Engine:
    """An engine with at most `connections` connections; one more waits 2 s and then fails."""
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=2,
        pool_pre_ping=True,
        hide_parameters=True,  # they may hold a payment token, and errors are logged
        connect_args={
            "application_name": process,
            **_GIVEN_UP,
            "options": (limits or DatabaseLimits()).as_options(),
        },
    )


def conninfo(url: URL) -> str:
    """The same way for libpq, which a session takes that no engine is there for; it holds the password."""
    told = {name: str(value) for name, value in _GIVEN_UP.items()}
    return url.set(drivername="postgresql").update_query_dict(told).render_as_string(hide_password=False)
