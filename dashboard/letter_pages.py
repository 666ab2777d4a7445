"""Dead letters: what was parked and why, and handling it again or giving it up."""

import json
from functools import partial
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound, UnprocessableEntity
from werkzeug.wrappers import Response as AnyResponse

from contracts.services import SERVICE
from dashboard import forms, letter_acts
from dashboard.action_log import Action, carry_out
from dashboard.guard import operator_only
from dashboard.letter_acts import TooMany
from dashboard.letter_filters import Filter, WrongFilter
from dashboard.pages import answer_error, page
from dashboard.sources import Sources
from messaging import discard, letters

SHOWN_MAX = 100


def letter_routes(sources: Sources) -> Blueprint:
    routes = Blueprint("letters", __name__)
    routes.register_error_handler(WrongFilter, lambda error: answer_error(BadRequest(str(error))))
    routes.register_error_handler(TooMany, lambda error: answer_error(UnprocessableEntity(str(error))))

    @routes.get("/dead-letters")
    def show_all() -> Response:
        meant = Filter.read(request.args)
        asked = sources.parts.ask(
            {name: sources.parts.database(name, _waiting, name, meant) for name in meant.services}
        )
        found = [letter for name in meant.services for letter in asked.get(name, [])]
        found.sort(key=lambda letter: letter["parked_at"])
        return page("letters", letters=found, meant=meant, services=SERVICE, away=asked.away, most=SHOWN_MAX)

    @routes.get("/dead-letters/<service>/<int:letter_id>")
    def show(service: str, letter_id: int) -> Response:
        if service not in SERVICE:
            raise NotFound(f"There is no service {service[:40]!r}.")
        asked = sources.parts.ask({service: sources.parts.database(service, letters.show, letter_id)})
        if service in asked.found and asked.found[service] is None:
            raise NotFound(f"{service} has no dead letter {letter_id}.")
        letter = asked.get(service)
        payload = json.dumps(letter["payload"], indent=2, ensure_ascii=False) if letter else ""
        return page("letter", letter=letter, payload=payload, service=service, away=asked.away.get(service))

    @routes.get("/dead-letters/redrive")
    @operator_only
    def preview_redrive() -> str:
        meant = Filter.read(request.args)
        found = letter_acts.preview_redrive(sources, meant)
        return render_template("letter_act.html", do="redrive", meant=meant, found=found, whole=False)

    @routes.get("/dead-letters/discard")
    @operator_only
    def preview_discard() -> str:
        meant, whole = _named(Filter.read(request.args)), "whole" in request.args
        found = letter_acts.preview_discard(sources, meant, whole_key=whole)
        return render_template("letter_act.html", do="discard", meant=meant, found=found, whole=whole)

    @routes.post("/dead-letters/redrive")
    @operator_only
    def redrive() -> AnyResponse:
        meant, who = Filter.read(request.form), forms.actor()
        do = partial(letter_acts.redrive_all, sources, meant, who)
        done = carry_out(sources.audit, Action(who, "letters redrive", str(meant)), do)
        forms.tell("Redrive", {str(meant): done})
        return redirect(url_for("letters.show_all"), 303)

    @routes.post("/dead-letters/discard")
    @operator_only
    def give_up() -> AnyResponse:
        meant, who, why = _named(Filter.read(request.form)), forms.actor(), forms.note()
        order = discard.Order(meant.wanted, who, why, "whole" in request.form)
        do = partial(letter_acts.discard_all, sources, order, meant)
        done = carry_out(sources.audit, Action(who, "letters discard", str(meant), why), do)
        forms.tell("Discard", {str(meant): done})
        return redirect(url_for("letters.show_all"), 303)

    return routes


def _waiting(connection: Connection, service: str, meant: Filter) -> list[dict[str, Any]]:
    found = letters.list_waiting(connection, meant.wanted, limit=SHOWN_MAX)
    return [{"service": service, **letter} for letter in found]


def _named(meant: Filter) -> Filter:
    """Nobody gives up everything by leaving all fields empty."""
    if meant == Filter():
        abort(422, "Say which: a service, a key, an id, a type, a reason or an age.")
    return meant
