"""Bring the connectors to what their files say, and prove each relay: `python -m connect.register`.

Safe to repeat: a connector is PUT only when its configuration differs.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog
from sqlalchemy import URL

from connect import canary, membership
from connect.client import ConnectClient, ConnectError
from connect.configurations import configuration, differs
from connect.health import Verdict, why_held
from contracts.services import SERVICES, Service
from runtime.database import connect_engine, database_url
from runtime.environment import Environment
from runtime.logs import configure
from runtime.waiting import until

RUNNING_SECONDS_MAX = 90

log = structlog.get_logger(__name__)


def main() -> None:
    environment = Environment()
    urls = environment.texts("CONNECT_URLS")
    servers = environment.servers("KAFKA_BOOTSTRAP_SERVERS")
    databases = {
        service: database_url(environment, f"{service.name.upper()}_DATABASE_URL") for service in SERVICES
    }
    environment.check()
    configure("connectors")
    client = ConnectClient(urls, rebalance=partial(membership.rebalance, servers))
    register(client)
    wait_until_running(client)
    held = {name: status.state for name, status in client.statuses().items() if status.is_held}
    for service in (each for each in databases if each.connector in held):
        because, remedy = why_held(service, held[service.connector])
        log.warning("left as it is", connector=service.connector, reason=because, remedy=remedy)
    prove({s: url for s, url in databases.items() if s.connector not in held}, servers)


def register(client: ConnectClient, services: Sequence[Service] = SERVICES) -> list[str]:
    """PUT what differs; answers with the connectors that did."""
    changed = []
    for service in services:
        wanted = configuration(service.connector)
        if differs(client.config(service.connector), wanted):
            client.put_config(service.connector, wanted)
            changed.append(service.connector)
    log.info("connectors are configured", changed=changed)
    return changed


def wait_until_running(client: ConnectClient, services: Sequence[Service] = SERVICES) -> None:
    """Wait until each of their connectors that is not paused runs with its task; what failed is restarted.

    A task that starts while Kafka elects a leader may fail, and Connect does not try again by itself.
    """
    until(
        lambda: _all_running(client, [service.connector for service in services]),
        within_seconds=RUNNING_SECONDS_MAX,
        every_seconds=1,
        what="every connector to run",
        retry_on=(ConnectError,),
    )


def prove(databases: Mapping[Service, URL], servers: Sequence[str]) -> None:
    """A canary through every relay, all at once; raises RelayBroken for the first that fails."""
    with ThreadPoolExecutor(max_workers=len(SERVICES)) as pool:
        proofs = [pool.submit(_prove, service, url, servers) for service, url in databases.items()]
    for proof in proofs:
        proof.result()


def _all_running(client: ConnectClient, names: Sequence[str]) -> bool:
    found = client.statuses()
    sick = [
        name
        for name in names
        if name in found and found[name].verdict is not Verdict.HEALTHY and not found[name].is_held
    ]
    for name in sick:
        if found[name].verdict is Verdict.FAILED:
            log.warning("restarting", connector=name, found=found[name].summary())
            client.restart(name, only_failed=True)
    if sick:
        raise ConnectError("; ".join(f"{name}: {found[name].summary()}" for name in sick))
    return all(name in found for name in names)


def _prove(service: Service, url: URL, servers: Sequence[str]) -> None:
    engine = connect_engine(url, process="connectors", connections=1)
    try:
        canary.prove(service, engine, servers)
    finally:
        engine.dispose()
    log.info("the relay works", connector=service.connector)


if __name__ == "__main__":
    main()
