"""The payment service's message process: `python -m payment.worker`."""

from messaging.worker import WorkerSettings, run_worker
from payment.handlers import consumer
from runtime.environment import Environment


def main() -> None:
    environment = Environment()
    settings = WorkerSettings.read(environment)
    environment.check()
    run_worker(consumer(), settings)


if __name__ == "__main__":
    main()
