"""The order service's clock: `python -m order.deadlines`. Any number may run."""

import threading

import structlog

from contracts.services import ORDER
from contracts.topics import watched_by
from messaging.alarm import Alarm
from order.handlers import orchestrator
from order.settings import read_patience
from runtime.database import connect_engine, database_url
from runtime.environment import Environment
from runtime.health import serve_health
from runtime.logs import configure
from runtime.stopping import stop_requested
from saga import versions
from saga.alarm import stuck_sagas
from saga.deadlines import Clock, Deadlines

log = structlog.get_logger(__name__)


def main() -> None:
    environment = Environment()
    url = database_url(environment)
    health_bind = environment.bind("HEALTH_BIND")
    patience = read_patience(environment)
    per_minute = environment.whole("ORDER_EXPIRIES_PER_MINUTE", 600, low=1)
    environment.check()
    configure("order-deadlines")
    stop = stop_requested()
    engine = connect_engine(url, process="order-deadlines", connections=2)
    sagas = orchestrator(patience)
    with engine.connect() as connection:
        versions.check(connection, sagas.kind)
    clock = Clock(watched_by(ORDER.name), per_minute)
    deadlines = Deadlines(engine, sagas, clock, stop)
    alarm = Alarm(stuck_sagas(clock), quiet_seconds=20)
    threading.Thread(target=alarm.run, args=(engine, stop), name="alarm", daemon=True).start()
    health = serve_health(health_bind, deadlines.problems, alarm.warnings)
    log.info("deadlines are watched", per_minute=per_minute)
    deadlines.run()
    health.shutdown()
    engine.dispose()
    log.info("deadlines stopped")


if __name__ == "__main__":
    main()
