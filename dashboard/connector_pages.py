"""Connectors and slots: how they are, what differs from their files, and what an operator does to them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from connect import operations
from contracts.services import AUDIT, SERVICES
from dashboard import forms, queries, relays
from dashboard.action_log import Action, carry_out
from dashboard.guard import operator_only
from dashboard.history import restarts_seen
from dashboard.pages import page
from dashboard.parts import CONNECT, rows
from dashboard.sources import Sources

CONNECTORS = tuple(service.connector for service in SERVICES)
# What is done, what it comes to, and whether it is asked for once more.
ACTS: Mapping[str, tuple[str, str, bool]] = {
    "restart-failed": ("Restart what failed", "what had failed is restarted", False),
    "restart": ("Restart all of it", "it and all its tasks are restarted", True),
    "pause": ("Pause", "it is paused: the outbox fills, and WAL is held back, until it is resumed", True),
    "resume": ("Resume", "it goes on where it was", False),
}


def connector_routes(sources: Sources) -> Blueprint:
    routes = Blueprint("connectors", __name__)

    @routes.get("/connectors")
    def show_all() -> Response:
        samples = sources.watch.look()
        asked = sources.parts.ask(
            {
                CONNECT: lambda: sources.client().registered(),
                "workers": lambda: sources.client().workers(),
                AUDIT.name: sources.parts.database(AUDIT.name, rows, queries.CONNECTOR_ACTIONS, {}),
            }
        )
        newest = samples[-1] if samples else None
        statuses, configs = asked.get(CONNECT, ({}, {}))
        found = relays.relays(
            statuses,
            configs,
            newest.readings if newest else None,
            newest.restarts if newest else {},
        )
        workers = {url: told is not None for url, told in asked.get("workers", {}).items()}
        return page(
            "connectors",
            verdict=relays.verdict(found, asked.away.get(CONNECT), workers),
            relays=found,
            workers=workers,
            acts=ACTS,
            seen=restarts_seen(samples),
            actions=asked.get(AUDIT.name, []),
        )

    @routes.get("/connectors/<name>/<do>")
    @operator_only
    def confirm(name: str, do: str) -> str:
        _check(name, do)
        return render_template("connector_act.html", name=name, do=do, act=ACTS[do])

    @routes.post("/connectors/<name>/<do>")
    @operator_only
    def act(name: str, do: str) -> AnyResponse:
        _check(name, do)
        why = forms.note() if ACTS[do][2] else None
        action = Action(forms.actor(), f"connector {do}", name, why)
        done = carry_out(sources.audit, action, partial(_do, sources, name, do))
        forms.tell(ACTS[do][0], {name: done})
        return redirect(url_for("connectors.show_all"), 303)

    return routes


def _do(sources: Sources, name: str, do: str) -> str:
    client = operations.client(sources.settings.connect_urls, sources.settings.bootstrap_servers)
    ways: Mapping[str, Callable[[], Any]] = {
        "restart-failed": lambda: client.restart(name, only_failed=True),
        "restart": lambda: client.restart(name, only_failed=False),
        "pause": lambda: client.pause(name),
        "resume": lambda: client.resume(name),
    }
    ways[do]()
    return ACTS[do][1]


def _check(name: str, do: str) -> None:
    if name not in CONNECTORS or do not in ACTS:
        abort(404, f"There is no connector {name[:40]!r}, or nobody can {do[:40]!r} it.")
