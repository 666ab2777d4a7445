"""What one Connect worker can do: its plugins, and what it has against our connectors. Nothing is put."""

from connect.client import ConnectClient
from connect.configurations import configuration
from contracts.services import SERVICES
from doctor.facts import Worker
from runtime.waiting import Backoff

# A worker opens the connector's database for its answer.
SECONDS_MAX = 10
_RETRIES = Backoff(attempts=2, first_seconds=0.5, most_seconds=1)


def worker(url: str) -> Worker:
    """One worker, and no other in its place. Raises ConnectError when it does not answer."""
    client = ConnectClient([url], timeout_seconds=SECONDS_MAX, retries=_RETRIES)
    names = [service.connector for service in SERVICES]
    refusals = {name: client.refusals({"name": name, **configuration(name)}) for name in names}
    return Worker(client.plugins(), refusals)
