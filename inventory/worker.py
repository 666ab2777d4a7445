"""The inventory service's message process: `python -m inventory.worker`."""

from inventory.alarm import forgotten_reservations
from inventory.handlers import consumer
from messaging.alarm import Alarm
from messaging.worker import WorkerSettings, run_worker
from runtime.environment import Environment


def main() -> None:
    environment = Environment()
    settings = WorkerSettings.read(environment)
    failure_rate = environment.rate("STOCK_FAILURE_RATE")
    forgotten_after = environment.whole("RESERVATION_ALARM_SECONDS", 3600, low=1)
    environment.check()
    run_worker(consumer(failure_rate), settings, alarm=Alarm(forgotten_reservations(forgotten_after)))


if __name__ == "__main__":
    main()
