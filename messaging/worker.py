"""A message worker as a process."""

import threading
from dataclasses import dataclass

import structlog
from sqlalchemy import URL

from messaging.alarm import Alarm
from messaging.batch import BatchProcessor
from messaging.chores import Chore
from messaging.consumer import Consumer
from messaging.partitions import PartitionKeeper
from messaging.polling import MessageWorker, connect_consumer
from runtime import spans
from runtime.database import connect_engine, database_url
from runtime.environment import Environment
from runtime.health import serve_health
from runtime.logs import configure
from runtime.stopping import stop_requested

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    database: URL
    bootstrap_servers: tuple[str, ...]
    health_bind: tuple[str, int]

    @classmethod
    def read(cls, environment: Environment) -> "WorkerSettings":
        return cls(
            database=database_url(environment),
            bootstrap_servers=environment.servers("KAFKA_BOOTSTRAP_SERVERS"),
            health_bind=environment.bind("HEALTH_BIND"),
        )


def run_worker(
    consumer: Consumer, settings: WorkerSettings, *, alarm: Alarm | None = None, chore: Chore | None = None
) -> None:
    """Consume until SIGTERM; return after the batch in hand is done."""
    process = f"{consumer.service}-worker"
    configure(process)
    spans.switch_on(process)
    stop = stop_requested()
    engine = connect_engine(settings.database, process=process, connections=2)
    worker = MessageWorker(
        connect_consumer(settings.bootstrap_servers, consumer.service, consumer.topics),
        BatchProcessor(engine, consumer),
        PartitionKeeper(engine),
        stop,
        consumer.watches,
    )
    health = serve_health(settings.health_bind, worker.problems, alarm.warnings if alarm else dict)
    for beside in (alarm, chore):
        if beside:
            threading.Thread(target=beside.run, args=(engine, stop), daemon=True).start()
    log.info("worker started", topics=consumer.topics)
    try:
        worker.run()
    finally:
        health.shutdown()
        engine.dispose()
    log.info("worker stopped")
