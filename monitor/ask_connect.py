"""What Kafka Connect says of its workers and connectors."""

from connect.client import ConnectClient, ConnectError
from monitor.readings import Connect


def connect(client: ConnectClient) -> Connect:
    """Each worker, and each connector as whichever worker answers tells it."""
    workers = {url: told is not None for url, told in client.workers().items()}
    if not any(workers.values()):
        return Connect(workers, None)
    try:
        return Connect(workers, client.statuses())
    except ConnectError:
        return Connect(workers, None)  # It starts, or is rebalancing.
