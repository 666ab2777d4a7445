"""The payment service's message process: `python -m payment.worker`."""

from sqlalchemy import Engine

from messaging.chores import Chore, delete_in_batches
from messaging.worker import WorkerSettings, run_worker
from payment import queries
from payment.handlers import consumer
from payment.signatures import TOLERANCE_SECONDS
from runtime.environment import Environment


def forget_webhooks(engine: Engine) -> int:
    """Delete ids of webhooks that are too old to be believed again, by far; how many went."""
    return delete_in_batches(engine, queries.FORGET_WEBHOOKS, older_than_seconds=12 * TOLERANCE_SECONDS)


def main() -> None:
    environment = Environment()
    settings = WorkerSettings.read(environment)
    environment.check()
    run_worker(consumer(), settings, chore=Chore(forget_webhooks, every_seconds=20))


if __name__ == "__main__":
    main()
