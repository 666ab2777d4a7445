"""The ways into a running stack that commands need: its layout, its databases, and who asks."""

import getpass
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine, make_url

from contracts.services import Service
from runtime.database import connect_engine
from stack import record
from stack.errors import NotReady
from stack.layout import Layout
from stack.record import StackRecord


def running(state: Path) -> StackRecord:
    """The record of the stack that runs. Raises NotReady when none does."""
    now = record.read_running(state)
    if now is None:
        raise NotReady("nothing is running: ./run up first")
    return now


def layout_of(state: Path) -> Layout:
    """Where the running stack's parts are. Raises NotReady when none runs."""
    now = running(state)
    return Layout(state=state, port_offset=now.port_offset, order_deadline_seconds=now.deadline_seconds)


def database_url(layout: Layout, service: Service, role: str) -> URL:
    """The way to a service's database as a role, with its password."""
    password = (layout.secrets / role).read_text().strip()
    return make_url(layout.database_url(role, service.database)).set(password=password)


@contextmanager
def database(layout: Layout, service: Service) -> Iterator[Engine]:
    """The service's database, as the service itself."""
    engine = connect_engine(
        database_url(layout, service, service.role("app")), process="operator", connections=1
    )
    try:
        yield engine
    finally:
        engine.dispose()


def who() -> str:
    """The caller's account, as the services take names; containers run as accounts without one."""
    try:
        return re.sub(r"[^\w.@-]", "_", getpass.getuser())[:64]
    except (KeyError, OSError):
        return "operator"
