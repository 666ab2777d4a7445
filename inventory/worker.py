"""The inventory service's message process: `python -m inventory.worker`."""

from inventory.alarm import ReservationAlarm
from inventory.handlers import consumer
from messaging.worker import WorkerSettings, run_worker
from runtime.environment import Environment


def main() -> None:
    environment = Environment()
    settings = WorkerSettings.read(environment)
    failure_rate = environment.rate("STOCK_FAILURE_RATE")
    alarm = ReservationAlarm(environment.whole("RESERVATION_ALARM_SECONDS", 3600, low=1))
    environment.check()
    run_worker(consumer(failure_rate), settings, watch=alarm)


if __name__ == "__main__":
    main()
