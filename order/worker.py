"""The order service's message process: `python -m order.worker`."""

from messaging.worker import WorkerSettings, run_worker
from order.handlers import consumer, orchestrator
from order.housekeeping import Housekeeping
from order.settings import read_patience
from runtime.database import connect_engine
from runtime.environment import Environment
from saga import versions


def main() -> None:
    environment = Environment()
    settings = WorkerSettings.read(environment)
    patience = read_patience(environment)
    environment.check()
    engine = connect_engine(settings.database, process="order-worker", connections=1)
    with engine.connect() as connection:
        versions.check(connection, orchestrator(patience).kind)
    engine.dispose()
    run_worker(consumer(patience), settings, Housekeeping())


if __name__ == "__main__":
    main()
