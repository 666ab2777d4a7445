"""A database that was restored, and an auditor that lost its lock: neither is passed over in silence."""

from contextlib import ExitStack, closing

import pytest
from sqlalchemy import text

from audit.restored import reason
from audit.session import AnotherAuditor, Session
from audit.sources import State
from runtime.waiting import until
from tests.auditing import AuditedSystem, ids, red


@pytest.fixture
def audited(engine_of, databases):
    with closing(AuditedSystem(engine_of, databases)) as system:
        yield system


@pytest.fixture
def restored(audited, engine_of, databases):
    """A function that restores a service's first backup, and gives the auditor that is started after that."""
    with ExitStack() as running:

        def restore(service):
            audited.close()
            databases.restore(service)
            again = running.enter_context(closing(AuditedSystem(engine_of, databases)))
            again.ends = audited.ends
            return again

        yield restore


CUT = r"terminat|closed|lost"
SET_BACK = "it was restored or replaced"


# ── a database that is older than what was read of it


@pytest.mark.parametrize(
    ("mark", "identity", "told"),
    [
        (0, None, None),
        (900, "one", None),
        (900, None, None),
        (901, "one", "stands at transaction 900, and was read up to 901"),
        (901, None, "stands at transaction 900"),
        (5, "another", "it is one, and was another"),
    ],
)
def test_a_database_is_known_again_by_its_transactions_and_its_identity(mark, identity, told):
    found = reason(mark, identity, State(900, "one"))

    assert (told is None) == (found is None)
    assert (told or "") in (found or "")


def test_marks_ahead_of_the_database_are_told_until_somebody_accounts_for_it(audited):
    audited.settled(audited.events(3))
    audited.do("audit", "UPDATE sources SET outbox_mark = outbox_mark + 1000000 WHERE service = 'order'")

    body = audited.round()

    assert (body["verdict"], red(body)) == ("red", ["databases"])
    assert SET_BACK in body["reasons"][0]
    assert "order" in body["reasons"][0]
    assert "audit repair" in body["reasons"][0]

    rows = audited.events(2)
    body = audited.settled(rows)
    assert (red(body), body["checked"], body["under_way"]) == (["databases"], 5, 0)

    audited.repair("restored from the backup of Monday")
    body = audited.later()
    assert (body["verdict"], body["reasons"]) == ("green", [])
    assert [told["reason"] for told in body["recoveries"]] == ["restored from the backup of Monday"]


def test_what_a_restored_database_does_not_know_any_more_is_a_phantom(audited, restored):
    rows = audited.events(2)
    assert audited.settled(rows)["verdict"] == "green"

    audited = restored("order")
    audited.round()
    body = audited.round()

    assert (body["verdict"], red(body)) == ("red", ["S6", "databases"])
    assert sorted(body["phantom"]["ids"]) == sorted(ids(rows))


def test_a_restored_database_that_has_gone_on_since_is_no_less_red(audited, restored):
    """Its transactions have passed the mark while no auditor looked: only its identity tells."""
    audited.settled(audited.events(1))

    audited = restored("order")
    body = audited.settled([row for _ in range(5) for row in audited.events(1)])

    assert "databases" in red(body)
    assert body["checked"] == 5


def test_what_a_restored_consumer_has_no_more_is_skipped_and_sent_again(audited, restored):
    rows = audited.events(2)
    audited.settled(rows)

    audited = restored("payment")
    audited.round()
    body = audited.later(positions={("payment-commands", 0): 2})
    assert red(body) == ["S10", "databases"]
    assert sorted(body["skipped"]["ids"]) == sorted(ids(rows))

    audited.repair()
    audited.round(audited.records(audited.replayed("order")))
    audited.consume()
    assert audited.later()["verdict"] == "green"


def test_stock_that_was_restored_is_compared_with_its_own_ledger(audited, restored):
    _, told = audited.order()
    audited.settled(told)

    assert "S12" not in red(restored("inventory").round())


# ── the session that holds the lock


def backend_of(session):
    with session.begin() as connection:
        return connection.execute(text("SELECT pg_backend_pid()")).scalar_one()


def test_of_two_auditors_one_may_write(audited):
    audited.round()

    with pytest.raises(AnotherAuditor), Session(audited.engine).begin():
        pass


def test_an_auditor_whose_session_ended_writes_nothing_before_it_has_the_lock_again(audited):
    rows = audited.events(2)
    audited.round()
    audited.cut(backend_of(audited.session))
    other = Session(audited.engine)
    with other.begin():
        pass

    for error in (CUT, "another auditor"):
        with pytest.raises(Exception, match=error):
            audited.round(audited.records(rows))

    assert audited.ask("audit", "SELECT * FROM records") == []
    other.close()
    until(
        lambda: audited.round(audited.records(rows)),
        within_seconds=20,
        what="the lock of a session that has ended",
        retry_on=(AnotherAuditor,),
    )
    audited.consume()
    assert audited.round()["verdict"] == "green"


def test_a_session_that_ends_within_a_round_takes_the_round_with_it(audited):
    audited.round()
    began = audited.ask("audit", "SELECT began_at FROM report")

    with pytest.raises(Exception, match=CUT):
        _write_while_it_is_cut(audited)

    assert audited.ask("audit", "SELECT began_at FROM report") == began
    assert audited.round()["verdict"] == "green"


def _write_while_it_is_cut(audited):
    with audited.session.begin() as connection:
        connection.execute(text("UPDATE report SET began_at = now()"))
        audited.cut(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        connection.execute(text("SELECT 1"))
