"""Prometheus asks every process that tells figures, natively and in containers."""

import re
from pathlib import Path

import pytest
import yaml

from stack import jmx, topology
from stack.layout import BROKERS, CONNECT_WORKERS, Layout
from stack.node import Kind
from stack.ports import HOST, JMX

PROMETHEUS = Path(__file__).parents[2] / "monitor" / "prometheus"
LAYOUT = Layout(state=Path("/state"))
TELLING = {Kind.API, Kind.WORKER, Kind.SUPERVISOR, Kind.AUDITOR, Kind.MONITOR, Kind.DASHBOARD}
NODES = {node.name: node for node in topology.nodes(LAYOUT)}
PORTS = {name: node.port for name, node in NODES.items() if node.kind in TELLING}
JVMS = {name.removesuffix("-jmx"): port for name, port in JMX.items()}


def targets(file):
    """Where each process is asked, by its name."""
    groups = yaml.safe_load((PROMETHEUS / file).read_text())
    return {group["labels"]["process"]: target for group in groups for target in group["targets"]}


def test_natively_every_process_is_asked_and_every_jvm():
    wanted = {name: f"{HOST}:{port}" for name, port in (PORTS | JVMS).items()}

    assert targets("targets.yml") == wanted


def test_in_containers_every_process_is_asked_by_its_name():
    assert targets("targets-containers.yml") == {name: f"{name}:{port}" for name, port in PORTS.items()}


def test_every_python_process_but_the_gateway_tells_figures():
    silent = {name for name, node in NODES.items() if node.port and node.name not in PORTS}

    assert silent == {"gateway", "postgres", *BROKERS, *CONNECT_WORKERS}


@pytest.mark.parametrize("name", JVMS)
def test_a_jvm_has_an_agent_where_it_is_wished_for(name):
    with_agents = {node.name: node for node in topology.nodes(jmx.added(LAYOUT))}
    agents = [word for word in with_agents[name].command if word.startswith("-javaagent:")]
    [(_jar, port, rules)] = [re.findall(r"(.+)=127\.0\.0\.1:(\d+):(.+)", agent)[0] for agent in agents]

    assert not [word for word in NODES[name].command if "javaagent" in word]
    assert int(port) == JVMS[name]
    assert Path(rules).exists()
