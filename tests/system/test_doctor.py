"""The system as it is started has no finding; what is taken from it is found."""

import json

from sqlalchemy import create_engine, make_url, text

from runtime.waiting import until


def look(system):
    done = system.run("doctor", "--json")
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_a_system_that_runs_has_no_finding(system):
    """Other tests may have left it with relays that catch up, or leaders that move back."""
    until(lambda: look(system)[0] == 0, within_seconds=90, every_seconds=1, what="a sound system")

    told = system.run("doctor")
    _, body = look(system)

    assert "All is well" in told.stdout
    assert (body["verdict"], body["findings"], body["unseen"]) == ("green", [], [])
    assert body["seen"]["Debezium"].startswith("3.7.")


def test_what_is_changed_under_it_is_found(system):
    url = make_url(system.layout.database_url("postgres", "orders"))
    password = (system.layout.secrets / "postgres").read_text().strip()
    engine = create_engine(url.set(password=password), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("GRANT UPDATE ON outbox TO order_app"))
        try:
            code, body = look(system)
        finally:
            connection.execute(text("REVOKE UPDATE ON outbox FROM order_app"))
    engine.dispose()

    assert code == 1
    assert body["verdict"] == "red"
    assert "order_app has UPDATE on outbox" in [finding["what"] for finding in body["findings"]]
