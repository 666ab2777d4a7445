"""What the order service forgets in time: keys of repeated requests, limits, minutes of its clock."""

import threading
from collections.abc import Mapping

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from saga import sql
from web.expiry import delete_expired

EVERY_SECONDS = 600.0

log = structlog.get_logger(__name__)


class Housekeeping:
    """Deletes what has expired, in small transactions, beside the worker's messages."""

    def run(self, engine: Engine, stop: threading.Event) -> None:
        """Again and again, until stopped. What fails is done the next time."""
        while not stop.wait(EVERY_SECONDS):
            try:
                delete_expired(engine)
                with engine.begin() as connection:
                    connection.execute(sql.FORGET_MINUTES)
            except SQLAlchemyError as error:
                log.warning("what has expired was not deleted", reason=type(error).__name__)

    def warnings(self) -> Mapping[str, str]:
        return {}
