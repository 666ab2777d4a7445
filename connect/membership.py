"""A worker that is dead leaves its group at once, and its tasks need not wait for its session to end.

A session is as long as it is so that a slow worker is not taken for a dead one. The port of a process that is
gone tells them apart: it refuses. What is told wrongly costs one rebalance, and never an event.
"""

import socket
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from urllib.parse import urlsplit

import structlog
from kafka.admin import MemberToRemove
from kafka.errors import KafkaError

from connect import cluster

GROUP = "neverlost-connect"  # `group.id` in worker.properties
# One that is started again refuses too, until it listens; it has joined nothing yet.
REFUSALS = 2
_ANSWER_SECONDS_MAX = 1.0

log = structlog.get_logger(__name__)


class Membership:
    """Looks at the workers' ports, once a round."""

    def __init__(self, urls: Sequence[str], servers: Sequence[str]) -> None:
        self._addresses = [urlsplit(url).netloc for url in urls]
        self._servers = servers
        self._refusals = dict.fromkeys(self._addresses, 0)

    def look_after(self) -> None:
        """Take out of the group whoever has just been found dead; what fails, its session does in time."""
        for address in self._addresses:
            self._refusals[address] = self._refusals[address] + 1 if _refuses(address) else 0
        gone = [address for address, times in self._refusals.items() if times == REFUSALS]
        if not gone:
            return
        try:
            removed = self._remove(gone)
        except KafkaError as error:
            log.warning("dead workers stay in their group for now", reason=f"{type(error).__name__}: {error}")
        else:
            log.warning("dead workers were taken out of their group", workers=gone, members=removed)

    def _remove(self, addresses: Collection[str]) -> list[str]:
        with closing(cluster.connect(self._servers)) as admin:
            told = admin.describe_groups([GROUP])[GROUP]
            members = members_at(addresses, (member["member_id"] for member in told["members"]))
            if members:
                reason = "its port refuses"
                admin.remove_group_members(GROUP, [MemberToRemove(id_, reason=reason) for id_ in members])
        return members


def members_at(addresses: Collection[str], member_ids: Iterable[str]) -> list[str]:
    """Those of a group's members that are the workers at these addresses: Connect names them so."""
    beginnings = tuple(f"connect-{address}-" for address in addresses)
    return [member_id for member_id in member_ids if member_id.startswith(beginnings)]


def _refuses(address: str) -> bool:
    """Whether nobody listens there. No answer at all is not a refusal: a frozen worker's port is open."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS_MAX).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
