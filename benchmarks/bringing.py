"""A relay as a benchmark sees it: told to stop and to go on, and read; and a slot for one of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.errors import ObjectInUse

from benchmarks import sql
from benchmarks.announcing import own_url
from benchmarks.reader import Reader
from connect.client import ConnectClient
from runtime.waiting import until
from stack.layout import Layout
from stack.postgres import SUPERUSER

STOP_SECONDS_MAX, BRING_SECONDS_MAX = 30.0, 600.0


@dataclass(frozen=True, slots=True)
class Relay:
    """A connector with its workers, and who reads what it brings."""

    client: ConnectClient
    connector: str
    reader: Reader

    def bring(self, written: int) -> float:
        """Go on until so many rows have come since the reader began; answers when it was told to."""
        resumed = time.monotonic()
        self.client.resume(self.connector)
        self.reader.until_came(written, BRING_SECONDS_MAX)
        return resumed

    def stop(self) -> None:
        """Not a pause: a paused connector goes on reading the log until its queue is full."""
        self.client.stop(self.connector)
        self.until_stands()

    def until_stands(self) -> None:
        until(self._stands, within_seconds=STOP_SECONDS_MAX, what=f"{self.connector} to stop")

    def _stands(self) -> bool:
        status = self.client.statuses().get(self.connector)
        return status is not None and status.stands


@contextmanager
def slot(layout: Layout, name: str) -> Iterator[int]:
    """A slot of the order service's database, from the position on that it answers with.

    Dropped in the end, as soon as its reader is gone.
    """
    with psycopg.connect(own_url(layout, SUPERUSER), autocommit=True) as connection:
        [[position]] = connection.execute(sql.MAKE_SLOT, {"slot": name}).fetchall()
        try:
            yield position
        finally:
            until(
                lambda: connection.execute(sql.DROP_SLOT, {"slot": name}),
                within_seconds=STOP_SECONDS_MAX,
                what="the slot to be let go",
                retry_on=(ObjectInUse,),
            )
