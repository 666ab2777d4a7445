"""A real Prometheus with the rules as shipped, on a system that is made ill: the main alerts fire and end."""

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from contracts.services import INVENTORY
from runtime.waiting import until
from tests.invariants import assert_nothing_lost_or_doubled

RULES = Path(__file__).parents[2] / "monitor" / "prometheus"
# Not part of the project: Debian's `prometheus`, where it is on PATH.
PROMETHEUS = [found] if (found := shutil.which("prometheus")) else []
# Others speak too: an auditor that cannot say anything, a deadline that passes while nothing moves.
EXPECTED = {
    "ConnectorDown",
    "ConsumerLagTime",
    "DeadLetters",
    "OutboxOldestAge",
    "RelaySilent",
    "SagaNeedsAttention",
    "SlotInactive",
}


def configured(folder, port_offset):
    """The configuration that is shipped, at the ports of this system.

    As often as there: who asks every two seconds waits no longer than that, and an exporter that waits for
    a worker of Connect that is frozen takes longer.
    """
    told = yaml.safe_load((RULES / "prometheus.yml").read_text())
    told["rule_files"] = [str(RULES / "alerts.yml")]
    groups = yaml.safe_load((RULES / "targets.yml").read_text())
    for group in groups:
        host, _, port = group["targets"][0].partition(":")
        group["targets"] = [f"{host}:{int(port) + port_offset}"]
    told["scrape_configs"][0]["file_sd_configs"] = [{"files": ["here.yml"]}]
    (folder / "here.yml").write_text(yaml.safe_dump(groups))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    return folder / "prometheus.yml"


@contextmanager
def prometheus(binary, config, port):
    """A function that tells which alerts fire now."""
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (config.parent / "log").open("w") as log, subprocess.Popen(command, stderr=log) as process:

        def firing():
            told = requests.get(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5).json()
            return {
                each["labels"]["alertname"] for each in told["data"]["alerts"] if each["state"] == "firing"
            }

        try:
            until(
                lambda: firing() == set(),
                within_seconds=30,
                what="Prometheus to answer",
                retry_on=(requests.RequestException,),
            )
            yield firing
        finally:
            process.terminate()


@contextmanager
def refused_reservations(system, execute):
    """Inventory's table takes none, which parks the command of an order; answers with the order."""
    table = "ALTER TABLE reservations"
    execute(f"{table} ADD CONSTRAINT refused CHECK (false) NOT VALID", INVENTORY.database)
    try:
        order = system.place()
        until(
            lambda: system.query("inventory", f"SELECT 1 FROM dead_letters WHERE key = '{order}'"),
            within_seconds=30,
            what="the command to be parked",
        )
        yield order
    finally:
        execute(f"{table} DROP CONSTRAINT refused", INVENTORY.database)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("binary", PROMETHEUS)
def test_the_main_alerts_fire_and_end(system, as_superuser, tmp_path, free_port, binary):
    config = configured(tmp_path, system.layout.port_offset)
    with prometheus(binary, config, free_port()) as firing:
        with refused_reservations(system, as_superuser) as parked:
            pass
        with system.frozen("inventory-worker"):
            behind = system.place()
            until(
                lambda: system.query("payment", f"SELECT 1 FROM payments WHERE order_id = '{behind}'"),
                within_seconds=30,
                what="the relay to have brought the commands",
            )
            with system.frozen("connect-1", "connect-2"):
                waiting = [system.place() for _ in range(10)]
                until(lambda: firing() >= EXPECTED, within_seconds=480, what="the alerts to fire")

        system.run("dead-letters", "redrive", "--key", parked)
        assert_nothing_lost_or_doubled(system, [parked, behind, *waiting], within_seconds=240)
        until(lambda: firing() == set(), within_seconds=300, what="the alerts to end")
