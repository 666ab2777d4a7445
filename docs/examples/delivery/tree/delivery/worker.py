"""The delivery service's message process: `python -m delivery.worker`."""

from delivery.handlers import consumer
from messaging.worker import WorkerSettings, run_worker
from runtime.environment import Environment


def main() -> None:
    environment = Environment()
    settings = WorkerSettings.read(environment)
    environment.check()
    run_worker(consumer(), settings)


if __name__ == "__main__":
    main()
