"""docker-compose.yml is the native stack in containers: the same nodes, ports, settings, order of start."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from connect import jars, worker
from contracts.services import SERVICES
from stack import kafka, postgres, topology
from stack.layout import BROKERS, CONNECT_WORKERS, Layout
from stack.node import Answers, Kind, Node
from stack.ports import HOST, PORTS
from stack.postgres_home import OLDEST_MAJOR

ROOT = Path(__file__).parents[2]
STATE = Path("/var/lib/neverlost")
LAYOUT = Layout(state=STATE, python="python")

# Data folders are made by the images themselves; the superuser's password is made by the stack's parent.
NATIVE_JOBS = {"postgres-data", "broker-data"}
CONTAINER_JOBS = {"credentials"}

NODES = {node.name: node for node in topology.nodes(LAYOUT) if node.name not in NATIVE_JOBS}
PROCESSES = {name: node for name, node in NODES.items() if node.kind is not Kind.JOB}
PYTHON = {name: node for name, node in NODES.items() if node.command[0] == LAYOUT.python}


def load() -> dict[str, Any]:
    """The file as it is without any variable set: `${NAME:-default}` is its default."""
    text = (ROOT / "docker-compose.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return found


COMPOSE = load()
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]

each_node = pytest.mark.parametrize("node", NODES.values(), ids=list(NODES))
each_process = pytest.mark.parametrize("node", PROCESSES.values(), ids=list(PROCESSES))
each_python = pytest.mark.parametrize("node", PYTHON.values(), ids=list(PYTHON))
# The database and the brokers take their settings in a way of their own, and tests of their own.
CLIENTS = {n: node for n, node in NODES.items() if node.kind not in {Kind.BROKER, Kind.DATABASE}}
each_client = pytest.mark.parametrize("node", CLIENTS.values(), ids=list(CLIENTS))
each_broker = pytest.mark.parametrize("broker", BROKERS)
each_container = pytest.mark.parametrize("name", CONTAINERS)


def in_network(value: str) -> str:
    """What a native value is in a container: who listens on a port is reached by name, not on 127.0.0.1."""
    owners = {str(port): name.removesuffix("-controller") for name, port in PORTS.items()}
    return re.sub(rf"{re.escape(HOST)}:(\d+)", lambda match: f"{owners[match[1]]}:{match[1]}", value)


def environment_in_container(node: Node) -> dict[str, str]:
    """The native environment in a container; a secret's variable names its file there."""
    own = {name: f"0.0.0.0:{node.port}" for name in node.environment if name.endswith("_BIND")}
    hosts = {name: "postgres" for name in node.environment if name.endswith("_DATABASE_HOST")}
    rest = {name: node.name for name in node.environment if name == "CONNECT_REST_HOST"}
    secrets = {f"{name}_FILE": str(path) for name, path in node.secrets.items()}
    return (
        {name: in_network(value) for name, value in node.environment.items()} | own | hosts | rest | secrets
    )


def options(words: list[str]) -> dict[str, str]:
    """The settings in `-c name=value` and in `-cname=value`."""
    return dict(re.findall(r"-c ?(\w+)=([^\0]*)", "\0".join(words).replace("-c\0", "-c ")))


def versions(set_name: str, artifact: str) -> set[str]:
    """The versions of one artifact in connect/jars.txt."""
    coordinates = [str(jar.coordinates).split(":") for jar in jars.listed() if jar.set_name == set_name]
    return {version for _, name, version in coordinates if name.startswith(artifact)}


def mounts(name: str) -> dict[str, str]:
    """What a container sees of the volumes: the volume by the place where it is mounted."""
    return {each.split(":")[1]: each.split(":")[0] for each in CONTAINERS[name].get("volumes", [])}


def test_containers_are_the_nodes_of_the_stack():
    assert set(CONTAINERS) == set(NODES) | CONTAINER_JOBS


@each_node
def test_containers_wait_for_what_nodes_wait_for(node: Node):
    jobs = {name for name in CONTAINERS if name not in PROCESSES}
    wanted = set(node.after) - NATIVE_JOBS | (CONTAINER_JOBS if node.kind is Kind.DATABASE else set())

    waits = CONTAINERS[node.name].get("depends_on", {})

    assert set(waits) == wanted
    for name, how in waits.items():
        ends = "service_completed_successfully" if name in jobs else "service_healthy"
        assert how == {"condition": ends}


@each_python
def test_python_containers_run_the_nodes_commands(node: Node):
    assert tuple(CONTAINERS[node.name]["command"]) == node.command


@each_client
def test_environments_are_those_of_the_nodes(node: Node):
    assert CONTAINERS[node.name].get("environment", {}) == environment_in_container(node)


@each_process
def test_ports_are_the_native_ones_on_this_machine_alone(node: Node):
    inside = node.port + 10_000 if node.kind is Kind.BROKER else node.port

    assert CONTAINERS[node.name]["ports"] == [f"{HOST}:{node.port}:{inside}"]


def test_jobs_publish_nothing_and_run_once():
    for name in set(CONTAINERS) - set(PROCESSES):
        assert "ports" not in CONTAINERS[name]
        assert CONTAINERS[name]["restart"] == "no"


@each_process
def test_processes_are_watched_and_restarted(node: Node):
    container = CONTAINERS[node.name]
    probe = " ".join(container["healthcheck"]["test"])

    assert container["restart"] == "unless-stopped"
    assert container["stop_grace_period"] == f"{node.stop_seconds:.0f}s"
    assert str(node.port) in probe or "$$CONNECT_REST_PORT" in probe
    assert not isinstance(node.ready, Answers) or node.ready.path in probe


@each_broker
def test_brokers_have_the_native_settings(broker: str):
    port, (number, _) = PORTS[broker], broker.split("-")[::-1]
    native = {key: in_network(value) for key, value in kafka.properties(LAYOUT, broker).items()}
    # The listener that only a container has: tools on the host reach a broker by another address.
    native["listeners"] += f",HOST://{broker}:{port + 10_000}"
    native["advertised.listeners"] += f",HOST://{HOST}:{port}"
    native["listener.security.protocol.map"] += ",HOST:PLAINTEXT"
    native["log.dirs"] = "/var/lib/kafka/data"
    settings = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in native.items()}

    environment = dict(CONTAINERS[broker]["environment"])
    jvm = f"{environment.pop('KAFKA_HEAP_OPTS')} {environment.pop('KAFKA_JVM_PERFORMANCE_OPTS')}".split()
    environment.pop("CLUSTER_ID")

    assert environment == settings
    assert tuple(jvm) == kafka.JVM_OPTIONS
    assert CONTAINERS[broker]["hostname"] == broker
    assert mounts(broker) == {"/var/lib/kafka/data": broker}
    assert environment["KAFKA_NODE_ID"] == number


def test_brokers_are_one_cluster():
    assert len({CONTAINERS[broker]["environment"]["CLUSTER_ID"] for broker in BROKERS}) == 1


def test_database_has_the_native_settings():
    native = options(list(NODES["postgres"].command))
    for own in ("listen_addresses", "port", "unix_socket_directories"):
        native.pop(own)

    container = CONTAINERS["postgres"]

    assert options(container["command"]) == native
    assert tuple(shlex.split(container["environment"]["POSTGRES_INITDB_ARGS"])) == postgres.CLUSTER_OPTIONS
    assert container["environment"]["POSTGRES_PASSWORD_FILE"] == str(LAYOUT.secrets / postgres.SUPERUSER)
    assert container["stop_signal"] == NODES["postgres"].stop_signal.name
    # From version 18 on the image keeps its data one folder below the mounted one.
    assert mounts("postgres")["/var/lib/postgresql"] == "postgres"


def test_connect_runs_on_the_native_options():
    image = (ROOT / "connect/Dockerfile").read_text()
    given = dict(re.findall(r'(KAFKA_\w+)="([^"]*)"', image))

    jvm = f"{given['KAFKA_HEAP_OPTS']} {given['KAFKA_JVM_PERFORMANCE_OPTS']}".split()

    assert tuple(jvm) == topology.CONNECT_JVM_OPTIONS
    assert tuple(given["KAFKA_OPTS"].split()) == worker.JVM_FLAGS
    for name in CONNECT_WORKERS:
        asked = {variable for variable in worker.VARIABLES if not variable.endswith("_PASSWORD")}
        asked |= {f"{service.name.upper()}_RELAY_PASSWORD_FILE" for service in SERVICES}
        assert set(CONTAINERS[name]["environment"]) == asked
        assert CONTAINERS[name]["hostname"] == name


def test_versions_are_the_native_ones():
    (kafka_version,) = versions("broker", "kafka") | versions("connect", "connect-")
    image = (ROOT / "connect/Dockerfile").read_text()

    assert {CONTAINERS[broker]["image"] for broker in BROKERS} == {f"apache/kafka:{kafka_version}"}
    assert f"FROM apache/kafka:{kafka_version}" in image.splitlines()
    assert CONTAINERS["postgres"]["image"] == f"postgres:{OLDEST_MAJOR}"


def test_debezium_of_the_image_is_the_listed_one():
    (version,) = versions("debezium", "debezium-")
    image = (ROOT / "connect/Dockerfile").read_text()

    assert "COPY connect/jars.txt" in image
    assert "grep '^debezium '" in image
    assert version not in image, "the version stands in jars.txt alone"


@each_container
def test_images_have_tags(name: str):
    tag = CONTAINERS[name]["image"].partition(":")[2]

    assert tag not in {"", "latest"}


def test_our_images_carry_our_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    ours = {each["image"] for each in CONTAINERS.values() if "build" in each}

    assert ours == {f"neverlost:{version}", f"neverlost-connect:{version}"}


@each_container
def test_containers_may_do_little(name: str):
    container = CONTAINERS[name]

    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in container
    assert "privileged" not in container
    assert "network_mode" not in container


@each_container
def test_secrets_are_seen_where_they_are_asked_for_and_nowhere_else(name: str):
    container = CONTAINERS[name]
    values = [*container.get("environment", {}).values(), *container.get("command", [])]
    asks = any(str(LAYOUT.secrets) in value for value in values)

    assert asks == ("secrets" in mounts(name).values())


def test_whoever_reads_secrets_has_the_account_that_owns_them():
    image = (ROOT / "Dockerfile").read_text()
    readers = [name for name in CONTAINERS if "secrets" in mounts(name).values() and name != "postgres"]

    accounts = {CONTAINERS[name]["user"] for name in readers}

    assert accounts == set(re.findall(r"^USER (.+)$", image, re.MULTILINE))


def test_no_secret_stands_in_the_file():
    for container in CONTAINERS.values():
        for name, value in container.get("environment", {}).items():
            assert not re.search("PASSWORD|TOKEN", name) or value.startswith(f"{LAYOUT.secrets}/")
        assert not re.search(r"://\w+:[^/]*@", " ".join(container.get("environment", {}).values()))


def test_every_volume_is_named_and_used():
    used = {volume for name in CONTAINERS for volume in mounts(name).values()}

    assert used == set(COMPOSE["volumes"])


def test_image_holds_every_room_that_its_commands_run():
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    let_through = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    assert {room for room in rooms if room != "stack"} <= let_through
    assert {"stack/__init__.py", "stack/credentials.py", "requirements/base.txt"} <= let_through
