"""Whether every saga under way can go on: the definition it began with must still be there, unchanged."""

from sqlalchemy import Connection

from runtime.errors import NeverlostError
from saga import sql
from saga.kind import SagaKind


class VersionGone(NeverlostError):  # noqa: N818 - it says what happened
    """Sagas are under way on a definition that this release does not have."""


def check(connection: Connection, kind: SagaKind) -> None:
    """Raise VersionGone, naming the versions and how many sagas need them."""
    missing = [
        f"version {row.version} ({row.fingerprint}), which {row.sagas} need, the oldest {row.oldest}"
        for row in connection.execute(sql.LIVE_VERSIONS)
        if (row.version, row.fingerprint) not in kind.by_version
    ]
    if missing:
        raise VersionGone(
            f"sagas of the {kind.service} service are under way on definitions that are gone:"
            f" {'; '.join(missing)}. Put them back beside the newest until those sagas have ended."
        )
