"""Everybody is asked, all at the same time, each within a bound; who does not answer is a `Silence`."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from requests import RequestException
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from connect import facts as relays
from doctor import ask_connect, ask_kafka, ask_postgres
from doctor.facts import Facts, Machine, Silence, Wanted
from runtime.errors import NeverlostError

T = TypeVar("T")

SILENT = (SQLAlchemyError, RequestException, NeverlostError, OSError, *ask_kafka.ERRORS)
# Beside those that the stack gives Postgres.
SETTINGS = ("data_checksums", "server_version")


@dataclass(frozen=True, slots=True)
class Access:
    """The ways in: those of whoever looks at relays, each worker's, and each history's database by room."""

    relays: relays.Access
    workers: tuple[str, ...]
    histories: Mapping[str, URL]


def gather(access: Access, machine: Machine, wanted: Wanted) -> Facts:
    """Ask everybody once; takes as long as the slowest, some ten seconds where a relay stands still."""
    databases, servers = access.relays.databases, access.relays.servers
    settings = {*wanted.postgres, *SETTINGS}
    with ThreadPoolExecutor(max_workers=16) as pool:

        def ask(source: str, question: Callable[[], T]) -> Future[T | Silence]:
            return pool.submit(_answer, source, question)

        about_relays = ask("relays", partial(relays.gather, access.relays, watch=True))
        server = ask("Postgres", partial(ask_postgres.server, next(iter(databases.values())), settings))
        cluster = ask("Kafka", partial(ask_kafka.look, servers))
        clocks = ask("the brokers' clocks", partial(ask_kafka.clocks, servers))
        by_service = {
            service.name: ask(f"database {service.database}", partial(ask_postgres.database, url, service))
            for service, url in databases.items()
        }
        revisions = {
            room: ask(f"the history of {room}", partial(ask_postgres.revision, url))
            for room, url in access.histories.items()
        }
        workers = {url: ask(f"worker {url}", partial(ask_connect.worker, url)) for url in access.workers}
        return Facts(
            relays=about_relays.result(),
            server=server.result(),
            databases={name: answer.result() for name, answer in by_service.items()},
            revisions={room: answer.result() for room, answer in revisions.items()},
            cluster=cluster.result(),
            clocks=clocks.result(),
            workers={url: answer.result() for url, answer in workers.items()},
            machine=machine,
        )


def _answer(source: str, question: Callable[[], T]) -> T | Silence:
    try:
        return question()
    except SILENT as error:
        return Silence.after(source, error)
