"""What an operator does to the connectors, for `./run connect`."""

from collections.abc import Sequence

from connect.client import ConnectClient
from connect.health import ConnectorStatus
from runtime.waiting import Backoff

# A person is waiting: three tries, not the half minute that a job may take.
_RETRIES = Backoff(attempts=3, first_seconds=0.25, most_seconds=1)


def status(urls: Sequence[str]) -> tuple[ConnectorStatus, ...]:
    """Every connector that Connect knows, by name. Raises ConnectError when no worker answers."""
    return tuple(client(urls).statuses().values())


def restart(urls: Sequence[str], name: str) -> None:
    """Restart the connector and all its tasks; the relay goes on where it was."""
    client(urls).restart(name, only_failed=False)


def pause(urls: Sequence[str], name: str) -> None:
    """Stop relaying. The outbox fills and the slot holds back WAL until `resume`."""
    client(urls).pause(name)


def resume(urls: Sequence[str], name: str) -> None:
    """Undo `pause`."""
    client(urls).resume(name)


def client(urls: Sequence[str]) -> ConnectClient:
    """Connect, asked as often as a person is ready to wait for."""
    return ConnectClient(urls, timeout_seconds=5, retries=_RETRIES)
