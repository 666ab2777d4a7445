"""The order service's message process: `python -m order.worker`."""

from sqlalchemy import Engine

from messaging.chores import Chore
from messaging.worker import WorkerSettings, run_worker
from order.handlers import consumer, orchestrator
from order.settings import read_patience
from runtime.database import connect_engine
from runtime.environment import Environment
from saga import sql, versions
from web.expiry import delete_expired


def forget_what_has_expired(engine: Engine) -> None:
    """Keys of repeated requests, limits, and old minutes of the sagas' clock."""
    delete_expired(engine)
    with engine.begin() as connection:
        connection.execute(sql.FORGET_MINUTES)


def main() -> None:
    environment = Environment()
    settings = WorkerSettings.read(environment)
    patience = read_patience(environment)
    environment.check()
    engine = connect_engine(settings.database, process="order-worker", connections=1)
    with engine.connect() as connection:
        versions.check(connection, orchestrator(patience).kind)
    engine.dispose()
    run_worker(consumer(patience), settings, chore=Chore(forget_what_has_expired, every_seconds=20))


if __name__ == "__main__":
    main()
