"""What an operator sees of the connectors, and the way to what is done to them."""

from collections.abc import Sequence
from functools import partial

from connect import membership
from connect.client import ConnectClient
from connect.health import ConnectorStatus
from runtime.waiting import Backoff

# A person is waiting: three tries, not the half minute that a job may take.
_RETRIES = Backoff(attempts=3, first_seconds=0.25, most_seconds=1)


def status(urls: Sequence[str]) -> tuple[ConnectorStatus, ...]:
    """Every connector that Connect knows, by name. Raises ConnectError when no worker answers."""
    asking = ConnectClient(urls, timeout_seconds=5, retries=_RETRIES)
    return tuple(asking.statuses().values())


def client(urls: Sequence[str], servers: Sequence[str]) -> ConnectClient:
    """Connect, asked as often as a person is ready to wait for; its group, at the brokers' `servers`."""
    rebalance = partial(membership.rebalance, servers)
    return ConnectClient(urls, timeout_seconds=5, retries=_RETRIES, rebalance=rebalance)
