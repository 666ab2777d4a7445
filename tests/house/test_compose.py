"""docker-compose.yml is the native stack in containers: the same nodes, ports, settings, order of start."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

from connect import jars, plugin, worker
from stack import credentials, kafka, postgres, topology
from stack.layout import BROKERS, CONNECT_WORKERS, Layout
from stack.node import Answers, Kind, Node
from stack.ports import HOST, PORTS
from stack.postgres_home import OLDEST_MAJOR

ROOT = Path(__file__).parents[2]
LAYOUT = Layout(state=Path("/var/lib/neverlost"), python="python")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
IMAGE, CONNECT_IMAGE = ((ROOT / name).read_text() for name in ("Dockerfile", "connect/Dockerfile"))

# Data folders are made by the images themselves; the superuser's password is made by the stack's parent.
NATIVE_JOBS = {"postgres-data", "broker-data"}
CONTAINER_JOBS = {"credentials"}
# Beside the system, and only where they are asked for.
OBSERVERS = {"prometheus", "grafana"}

NODES = {node.name: node for node in topology.nodes(LAYOUT) if node.name not in NATIVE_JOBS}
PROCESSES = {name: node for name, node in NODES.items() if node.kind is not Kind.JOB}
# The database and the brokers take their settings in a way of their own, and tests of their own.
CLIENTS = {name: node for name, node in NODES.items() if node.kind not in {Kind.BROKER, Kind.DATABASE}}
PYTHON = {name: node for name, node in NODES.items() if node.command[0] == LAYOUT.python}


def load() -> dict[str, Any]:
    """The file as it is without any variable set: `${NAME:-default}` is its default."""
    text = (ROOT / "docker-compose.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return found


CONTAINERS: dict[str, dict[str, Any]] = load()["services"]
COMMANDS = [each["command"] for each in CONTAINERS.values() if each["image"].startswith("neverlost:")]

each_broker = pytest.mark.parametrize("broker", BROKERS)
each_container = pytest.mark.parametrize("name", CONTAINERS)


def each(nodes: dict[str, Node]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("node", nodes.values(), ids=list(nodes))


def in_network(value: str) -> str:
    """What a native value is in a container: who listens on a port is reached by name, not on 127.0.0.1."""
    owners = {str(port): name.removesuffix("-controller") for name, port in PORTS.items()}
    return re.sub(rf"{re.escape(HOST)}:(\d+)", lambda match: f"{owners[match[1]]}:{match[1]}", value)


def environment_in_container(node: Node) -> dict[str, str]:
    """The native environment in a container; a secret's variable names its file there."""
    values = {name: in_network(value) for name, value in node.environment.items()}
    values |= {name: f"0.0.0.0:{node.port}" for name in values if name.endswith("_BIND")}
    values |= {name: "postgres" for name in values if name.endswith("_DATABASE_HOST")}
    values |= {name: node.name for name in values if name == "CONNECT_REST_HOST"}
    return values | {f"{name}_FILE": str(path) for name, path in node.secrets.items()}


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
    assert set(CONTAINERS) == set(NODES) | CONTAINER_JOBS | OBSERVERS


def test_who_looks_on_starts_only_when_asked_to_and_changes_nothing():
    profiles = {name: container.get("profiles", []) for name, container in CONTAINERS.items()}

    assert {name for name, found in profiles.items() if found} == OBSERVERS
    for name in OBSERVERS:
        container = CONTAINERS[name]
        assert container["profiles"] == ["observability"]
        assert all(port.startswith(f"{HOST}:") for port in container["ports"])
        for source, *rest in (volume.split(":") for volume in container["volumes"]):
            assert not source.startswith(".") or (rest[-1] == "ro" and (ROOT / source).exists())


@each(NODES)
def test_containers_wait_for_what_nodes_wait_for(node: Node):
    jobs = {name for name in CONTAINERS if name not in PROCESSES}
    # They read a secret of the stack's own, and come before anything else that could have waited for it.
    first = node.kind in {Kind.DATABASE, Kind.GATEWAY}
    wanted = set(node.after) - NATIVE_JOBS | (CONTAINER_JOBS if first else set())

    waits = CONTAINERS[node.name].get("depends_on", {})

    assert set(waits) == wanted
    for name, how in waits.items():
        ends = "service_completed_successfully" if name in jobs else "service_healthy"
        assert how == {"condition": ends}


@each(PYTHON)
def test_python_containers_run_the_nodes_commands(node: Node):
    assert tuple(CONTAINERS[node.name]["command"]) == node.command


@each(CLIENTS)
def test_environments_are_those_of_the_nodes(node: Node):
    assert CONTAINERS[node.name].get("environment", {}) == environment_in_container(node)


@each(PROCESSES)
def test_ports_are_the_native_ones_on_this_machine_alone(node: Node):
    inside = node.port + 10_000 if node.kind is Kind.BROKER else node.port

    assert CONTAINERS[node.name]["ports"] == [f"{HOST}:{node.port}:{inside}"]


def test_secrets_that_come_before_the_database_are_made_by_the_stacks_own_code():
    command = CONTAINERS["credentials"]["command"]

    assert command == [
        LAYOUT.python,
        "-m",
        credentials.__name__,
        str(LAYOUT.secrets),
        str(LAYOUT.shared_with_gateway),
    ]


def test_jobs_publish_nothing_and_run_once():
    for name in set(CONTAINERS) - set(PROCESSES) - OBSERVERS:
        assert "ports" not in CONTAINERS[name]
        assert CONTAINERS[name]["restart"] == "no"


@each(PROCESSES)
def test_processes_are_watched_and_restarted(node: Node):
    container = CONTAINERS[node.name]
    probe = " ".join(container["healthcheck"]["test"])

    assert container["restart"] == "unless-stopped"
    assert container["stop_grace_period"] == f"{node.stop_seconds:.0f}s"
    assert str(node.port) in probe or "$$CONNECT_REST_PORT" in probe
    assert not isinstance(node.ready, Answers) or node.ready.path in probe


@each_broker
def test_brokers_have_the_native_settings(broker: str):
    port = PORTS[broker]
    native = {key: in_network(value) for key, value in kafka.properties(LAYOUT, broker).items()}
    # The listener that only a container has: tools on the host reach a broker by another address.
    native["listeners"] += f",HOST://{broker}:{port + 10_000}"
    native["advertised.listeners"] += f",HOST://{HOST}:{port}"
    native["listener.security.protocol.map"] += ",HOST:PLAINTEXT"
    native["log.dirs"] = "/var/lib/kafka/data"
    settings = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in native.items()}

    environment = dict(CONTAINERS[broker]["environment"])
    jvm = f"{environment.pop('KAFKA_HEAP_OPTS')} {environment.pop('KAFKA_JVM_PERFORMANCE_OPTS')}".split()
    assert environment.pop("CLUSTER_ID") == CONTAINERS[BROKERS[0]]["environment"]["CLUSTER_ID"]

    assert environment == settings
    assert tuple(jvm) == kafka.JVM_OPTIONS
    assert CONTAINERS[broker]["hostname"] == broker
    assert mounts(broker) == {"/var/lib/kafka/data": broker}


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
    given = dict(re.findall(r'(KAFKA_\w+)="([^"]*)"', CONNECT_IMAGE))

    jvm = f"{given['KAFKA_HEAP_OPTS']} {given['KAFKA_JVM_PERFORMANCE_OPTS']}".split()

    assert tuple(jvm) == topology.CONNECT_JVM_OPTIONS
    assert tuple(given["KAFKA_OPTS"].split()) == worker.JVM_FLAGS
    # Workers call one another by the name that they listen on.
    assert all(CONTAINERS[name]["hostname"] == name for name in CONNECT_WORKERS)


def test_versions_are_the_native_ones():
    (kafka_version,) = versions("broker", "kafka") | versions("connect", "connect-")
    (debezium_version,) = versions("debezium", "debezium-")

    assert {CONTAINERS[broker]["image"] for broker in BROKERS} == {f"apache/kafka:{kafka_version}"}
    assert CONTAINERS["postgres"]["image"] == f"postgres:{OLDEST_MAJOR}"
    assert f"FROM apache/kafka:{kafka_version}" in CONNECT_IMAGE.splitlines()
    assert f"fetch '^{jars.PLUGIN_SET} ' /plugin" in CONNECT_IMAGE, "Debezium is of the list, as natively"
    assert debezium_version not in CONNECT_IMAGE
    assert f"{plugin.CONNECTOR} >" in CONNECT_IMAGE
    assert plugin.SERVICE.removeprefix("META-INF/services") in CONNECT_IMAGE


def test_images_have_tags_and_ours_is_our_version():
    version = PROJECT["project"]["version"]
    ours = {f"neverlost{kind}:{version}" for kind in ("", "-connect")}
    images = {container["image"] for container in CONTAINERS.values()}

    assert all(image.partition(":")[2] not in {"", "latest"} for image in images)
    assert {image for image in images if image.startswith("neverlost")} == ours


def test_one_container_builds_each_image_of_ours_and_nobody_looks_for_it_elsewhere():
    ours = [each for each in CONTAINERS.values() if each["image"].startswith("neverlost")]
    built = [each["image"] for each in CONTAINERS.values() if "build" in each]

    assert sorted(built) == sorted({each["image"] for each in ours}), "builders of one tag would race"
    assert {each["pull_policy"] for each in ours} == {"never"}


def test_images_can_be_read_by_the_account_that_runs_them_whatever_the_umask_of_the_checkout():
    for image in (IMAGE, CONNECT_IMAGE):
        copied = image.rindex("\nCOPY ")
        assert copied < image.index("chmod -R a+rX .", copied) < image.index("\nUSER ", copied)


@each_container
def test_containers_may_do_little(name: str):
    container = CONTAINERS[name]

    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in container
    assert not {"privileged", "network_mode", "pid", "cgroup"} & set(container)


@each_container
def test_secrets_are_seen_where_they_are_asked_for_and_nowhere_else(name: str):
    container = CONTAINERS[name]
    values = [*container.get("environment", {}).values(), *container.get("command", [])]
    for volume, folder in (("secrets", LAYOUT.secrets), ("webhook", LAYOUT.shared_with_gateway)):
        asks = any(str(folder) in value for value in values)

        assert asks == (volume in mounts(name).values()), volume


def test_whoever_reads_secrets_has_the_account_that_owns_them():
    volumes = {"secrets", "webhook"}
    readers = [n for n in CONTAINERS if volumes & set(mounts(n).values()) and n != "postgres"]

    accounts = {CONTAINERS[name]["user"] for name in readers}

    assert accounts == set(re.findall(r"^USER (.+)$", IMAGE, re.MULTILINE))


def test_no_secret_stands_in_the_file():
    for container in CONTAINERS.values():
        for name, value in container.get("environment", {}).items():
            in_a_file = value.startswith((f"{LAYOUT.secrets}/", f"{LAYOUT.shared_with_gateway}/"))
            assert not re.search("PASSWORD|TOKEN|SECRET_", name) or in_a_file
        assert not re.search(r"://\w+:[^/]*@", " ".join(container.get("environment", {}).values()))


def test_image_holds_every_module_that_its_commands_import():
    graph = grimp.build_graph(*PROJECT["tool"]["importlinter"]["root_packages"], cache_dir=None)
    let_through = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    # What gunicorn runs is named last; any other module follows -m.
    run = {(c[-1] if "gunicorn" in c else c[2]).partition(":")[0] for c in COMMANDS}

    imported = {module for name in run for module in (name, *graph.find_upstream_modules(name))}

    for module in imported:
        assert any(f"{module.replace('.', '/')}.py".startswith(place) for place in let_through), module
