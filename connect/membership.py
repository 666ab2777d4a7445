"""A worker that is dead leaves its group at once, and its tasks need not wait for its session to end.

A session is as long as it is so that a slow worker is not taken for a dead one. The port of a process that is
gone tells them apart: it refuses. What is told wrongly costs one rebalance, and never an event.
"""

import socket
import threading
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka.admin import MemberToRemove
from kafka.errors import KafkaError

from connect import cluster
from runtime.errors import WaitedTooLong
from runtime.waiting import until

GROUP = "neverlost-connect"  # `group.id` in worker.properties
# A worker that was killed listens again after a second, or three; a round of the supervisor may take longer.
LOOK_EVERY_SECONDS = 0.2
_CONNECT_SECONDS_MAX, _ANSWER_SECONDS_MAX = 1.0, 3.0
# A member learns with its next heartbeat that it has to join anew; the tasks that move have to be stopped.
_SETTLED_SECONDS_MAX = 10
_LOG_ERRORS = 3  # of librdkafka, whose lines are not ours


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Group:
    is_stable: bool
    members: tuple[str, ...] = ()


class Membership:
    """Looks at the workers' ports, again and again."""

    def __init__(self, urls: Sequence[str], servers: Sequence[str]) -> None:
        self._addresses = [urlsplit(url).netloc for url in urls]
        self._servers = servers
        self._dead: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; should it fail, the whole process ends, and is started anew."""
        try:
            while not stop.wait(LOOK_EVERY_SECONDS):
                self.look_after()
        finally:
            stop.set()

    def look_after(self) -> None:
        """Take out of the group whoever has just been found dead; what fails is tried again."""
        dead = {address for address in self._addresses if _refuses(address)}
        gone, self._dead = sorted(dead - self._dead), dead
        if not gone:
            return
        try:
            removed = self._remove(gone)
        except (KafkaError, KafkaException) as error:
            self._dead.difference_update(gone)
            log.warning("dead workers stay in their group for now", reason=f"{type(error).__name__}: {error}")
        else:
            log.warning("dead workers were taken out of their group", workers=gone, members=removed)

    def _remove(self, addresses: Collection[str]) -> list[str]:
        members = members_at(addresses, self._member_ids())
        _remove(self._servers, members, "its port refuses")
        return members

    def _member_ids(self) -> list[str]:
        return list(_group(_admin(self._servers)).members)


def rebalance(servers: Sequence[str]) -> None:
    """Let one member join its group anew, so that the group's leader claims its rights; what fails is logged.

    Until that member learns of it, its tasks may be started elsewhere as well: the older ones are fenced, and
    they are shared out once more when it is back, which is waited for. A group that rebalances is left to it.
    """
    admin = _admin(servers)
    try:
        before = _group(admin)
        leaving = before.members[:1] if before.is_stable else ()
        _remove(servers, leaving, "the leader of its group has to claim its rights anew")
        until(
            lambda: _has_settled(before, leaving, _group(admin)),
            within_seconds=_SETTLED_SECONDS_MAX,
            every_seconds=0.5,
            what=f"group {GROUP} to settle",
            retry_on=(KafkaException,),
        )
    except (KafkaError, KafkaException, WaitedTooLong) as error:
        log.warning("the group of workers has not rebalanced yet", reason=f"{type(error).__name__}: {error}")
    else:
        log.warning("the group of workers has rebalanced", taken_out=list(leaving))


def _has_settled(before: _Group, leaving: Collection[str], now: _Group) -> bool:
    return now.is_stable and len(now.members) >= len(before.members) and not {*leaving} & {*now.members}


def _remove(servers: Sequence[str], members: Sequence[str], reason: str) -> None:
    if members:
        with closing(cluster.connect(servers, first_contact_ms=cluster.REQUEST_MS)) as admin:
            leaving = [MemberToRemove(member_id, reason=reason) for member_id in members]
            admin.remove_group_members(GROUP, leaving)


def _admin(servers: Sequence[str]) -> AdminClient:
    """The one client that does not take every group for one of consumers."""
    return AdminClient({"bootstrap.servers": ",".join(servers), "log_level": _LOG_ERRORS})


def _group(admin: AdminClient) -> _Group:
    found = admin.list_groups(GROUP, timeout=_ANSWER_SECONDS_MAX)
    members = tuple(str(member.id) for group in found for member in group.members)
    return _Group(all(group.state == "Stable" for group in found), members)


def members_at(addresses: Collection[str], member_ids: Iterable[str]) -> list[str]:
    """Those of a group's members that are the workers at these addresses: Connect names them so."""
    beginnings = tuple(f"connect-{address}-" for address in addresses)
    return [member_id for member_id in member_ids if member_id.startswith(beginnings)]


def _refuses(address: str) -> bool:
    """Whether nobody listens there. No answer at all is not a refusal: a frozen worker's port is open."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS_MAX).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
