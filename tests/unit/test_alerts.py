"""Alerts, dashboard and runbook speak of figures that exist, and each alert is tested and explained."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import connect.metrics
import messaging.metrics
import payment.metrics
import saga.metrics
import web.metrics
from monitor.figures import families
from monitor.readings import NOTHING_READ

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "monitor" / "prometheus"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
RULES = {
    rule["alert"]: rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
TESTS = {each["name"]: each for each in yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]}
DASHBOARD = json.loads((ROOT / "monitor" / "grafana" / "dashboards" / "neverlost.json").read_text())
ROOMS = (connect.metrics, messaging.metrics, payment.metrics, saga.metrics, web.metrics)
# What Prometheus itself tells.
ITS_OWN = {"up", "ALERTS"}
# What a client tells of its process where it can read /proc.
OF_A_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
ENDINGS = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}

each_alert = pytest.mark.parametrize("alert", RULES)


def series(metric):
    """The names under which a figure's samples are told."""
    return {metric.name + ending for ending in ENDINGS.get(metric.type, [""])}


def told():
    """Every name that any process tells: those of Python's, and those that agents make of the JVMs'."""
    registered = {name for metric in REGISTRY.collect() for name in series(metric)}
    read = {metric.name for metric in families(NOTHING_READ)}
    return registered | read | of_jvms() | ITS_OWN | OF_A_PROCESS


def of_jvms():
    """A rule's name, with each choice of its pattern in the place of `$1`."""
    names = set()
    for path in (ROOT / "monitor" / "jmx").glob("*.yml"):
        for rule in yaml.safe_load(path.read_text())["rules"]:
            groups = re.findall(r"\(([^)]*)\)", rule["pattern"])
            place = re.search(r"\$(\d)", rule["name"])
            choices = groups[int(place[1]) - 1].split("|") if place else [""]
            names |= {re.sub(r"\$\d", choice, rule["name"]) for choice in choices}
    return names


def named(expression):
    """The names of figures in an expression of PromQL: whatever has samples, and is no label or function."""
    bare = re.sub(r'"[^"]*"|\b(?:by|on|without) \([^)]*\)', "", expression)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    words = re.findall(r"\b[a-zA-Z_][a-zA-Z0-9_]*\b(?!\s*\()", re.sub(r"\[[^\]]*\]", "", bare))
    return set(words) - {"and", "or", "unless", "by", "on"}


def panels():
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


def slug(title):
    """A heading's place in a page."""
    return title.lower().replace(" ", "-")


def kebab(name):
    """The name of an alert in words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def test_rooms_tell_something():
    for room in ROOMS:
        declared = [each for each in vars(room).values() if isinstance(each, MetricWrapperBase)]
        assert declared, room
        assert {name for each in declared for metric in each.describe() for name in series(metric)} <= told()
    assert "neverlost_http_requests_total" in told()
    assert "jvm_heap_used_bytes" in told()


def test_names_are_found_in_expressions():
    expression = (
        'sum by (service) (rate(one_total{a="two"}[5m])) / three > 0.5'
        ' and max(four) == 1 or absent(up{x="y"} == 1)'
    )

    assert named(expression) == {"one_total", "three", "four", "up"}


@each_alert
def test_an_alert_is_about_figures_that_exist(alert):
    names = named(RULES[alert]["expr"])

    assert names
    assert names <= told()


@pytest.mark.parametrize(("title", "expression"), panels())
def test_a_panel_shows_figures_that_exist(title, expression):
    names = named(expression)

    assert names
    assert names <= told(), title


@each_alert
def test_an_alert_says_how_bad_it_is_what_is_wrong_and_where_to_read_on(alert):
    rule = RULES[alert]
    path, _, place = rule["annotations"]["runbook"].partition("#")
    headings = [slug(title) for title in re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)]

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert (path, place) == ("docs/runbook.md", kebab(alert))
    assert headings.count(place) == 1


@each_alert
def test_an_alert_is_tested_on_ill_figures_and_on_sound_ones(alert):
    wanted = f'alertname="{alert}",alertstate="firing"'
    fired = [each["labels"] for check in TESTS[alert]["promql_expr_test"] for each in check["exp_samples"]]
    sound = {re.match(r"\w+", each["series"])[0] for each in TESTS["sound"]["input_series"]}

    assert fired
    assert all(wanted in labels for labels in fired)
    assert named(RULES[alert]["expr"]) <= sound
    assert all(check["exp_samples"] == [] for check in TESTS["sound"]["promql_expr_test"])


def test_the_runbook_has_a_line_and_a_section_for_each_alert_and_no_other():
    lines = re.findall(r"^\| \[(\w+)\]\(#([\w-]+)\) \| (\w+) \|", RUNBOOK, re.MULTILINE)

    assert {name: (place, severity) for name, place, severity in lines} == {
        name: (kebab(name), rule["labels"]["severity"]) for name, rule in RULES.items()
    }
    assert len(re.findall(r"^## ", RUNBOOK, re.MULTILINE)) == len(RULES)


# Prometheus' own tool is not part of the project: where it is on PATH, it has the last word.
PROMTOOL = [found] if (found := shutil.which("promtool")) else []


@pytest.mark.parametrize("promtool", PROMTOOL)
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "alerts.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_own_tool_finds_nothing(promtool, command):
    *words, file = command

    done = subprocess.run(
        [promtool, *words, PROMETHEUS / file], capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout
