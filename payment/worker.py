"""The payment service's message process: `python -m payment.worker`."""

from sqlalchemy import Engine

from messaging.chores import Chore
from messaging.worker import WorkerSettings, run_worker
from payment import queries
from payment.handlers import consumer
from payment.signatures import TOLERANCE_SECONDS
from runtime.environment import Environment


def forget_webhooks(engine: Engine) -> None:
    """Ids of webhooks that are too old to be believed again, by far."""
    with engine.begin() as connection:
        connection.execute(queries.FORGET_WEBHOOKS, {"older_than_seconds": 12 * TOLERANCE_SECONDS})


def main() -> None:
    environment = Environment()
    settings = WorkerSettings.read(environment)
    environment.check()
    run_worker(consumer(), settings, chore=Chore(forget_webhooks, every_seconds=60))


if __name__ == "__main__":
    main()
