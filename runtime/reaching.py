"""Whether anybody listens at an address, before a client that would be patient is made."""

import socket
from collections.abc import Sequence


def takes_connections(servers: Sequence[str], seconds: float) -> bool:
    """Whether one of the servers, each `host:port`, takes a connection; each is given so many seconds."""
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            # The brackets of an IPv6 address are for the colon behind it.
            socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
        except OSError:
            continue
        return True
    return False
