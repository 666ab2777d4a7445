"""The inventory service's message process: `python -m inventory.worker`."""

from inventory.handlers import consumer
from messaging.worker import WorkerSettings, run_worker
from runtime.environment import Environment


def main() -> None:
    environment = Environment()
    settings = WorkerSettings.read(environment)
    failure_rate = environment.rate("STOCK_FAILURE_RATE")
    environment.check()
    run_worker(consumer(failure_rate), settings)


if __name__ == "__main__":
    main()
