"""Orders and their sagas: which are where, and what an operator does to several at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from contracts.services import ORDER
from dashboard import forms, queries
from dashboard.action_log import Action, carry_out
from dashboard.entry_pages import wanted_id
from dashboard.guard import operator_only
from dashboard.pages import page
from dashboard.parts import rows
from dashboard.sources import Sources
from monitor.readings import Sagas
from operators.sagas import OrderService

PAGE = 50
CHOSEN_MAX = 50
STUCK_SECONDS = 60
ORDER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class View:
    """One tab: its name, the statement, and which statuses its number counts."""

    name: str
    statement: Any
    counts: tuple[str, ...] = ()
    stands_still: bool = False


VIEWS: Mapping[str, View] = {
    "newest": View("Newest", queries.NEWEST),
    "attention": View("Needs attention", queries.ATTENTION, ("NEEDS_ATTENTION",)),
    "compensating": View("Compensating", queries.COMPENSATING, ("COMPENSATING",)),
    "running": View("Running", queries.RUNNING, ("RUNNING",)),
    "stuck": View("Stuck", queries.LIVE, stands_still=True),
}
ACTS: Mapping[str, str] = {
    "retry": "Send the command that it waits for once more, under a new try. Only what needs attention is.",
    "compensate": "Turn it round: what was done is undone, and the order cancelled. Only before its pivot.",
    "resolve": "Take what it waits for as done by hand, a refund by bank transfer say, for good.",
}


def saga_routes(sources: Sources) -> Blueprint:
    routes = Blueprint("sagas", __name__)

    @routes.get("/sagas")
    def show_all() -> Response:
        chosen = request.args.get("view", "newest")
        view = VIEWS.get(chosen) or abort(404, f"There is no view {chosen[:40]!r}.")
        older = _seconds(request.args.get("older", ""), STUCK_SECONDS if view.stands_still else 0)
        after = request.args.get("after")
        values = {
            "after": wanted_id(after, "place in this list") if after else None,
            "limit": PAGE + 1,
            "older_than_seconds": older,
        }
        question = sources.parts.database(ORDER.name, rows, view.statement, values)
        asked = sources.parts.ask({ORDER.name: question})
        found = asked.get(ORDER.name, [])
        return page(
            "sagas",
            views=VIEWS,
            chosen=chosen,
            view=view,
            older=older,
            found=found[:PAGE],
            next_page=_next(chosen, older, found),
            away=asked.away.get(ORDER.name),
            counts=_counts(sources),
        )

    @routes.get("/sagas/act")
    @operator_only
    def confirm() -> str:
        return render_template("saga_act.html", **_asked(request.args), acts=ACTS)

    @routes.post("/sagas/act")
    @operator_only
    def act() -> AnyResponse:
        asked, why = _asked(request.form), forms.note()
        service = OrderService(
            sources.settings.urls[ORDER.name],
            sources.settings.operator_token,
            forms.actor(),
            timeout_seconds=ORDER_SECONDS,
        )
        how = {"unanswered": True} if asked["do"] == "resolve" and request.form.get("unanswered") else {}
        results = {
            str(each): carry_out(
                sources.audit,
                Action(forms.actor(), f"saga {asked['do']}", str(each), why),
                partial(_done, service, asked["do"], each, why, how),
            )
            for each in asked["ids"]
        }
        forms.tell(asked["do"].capitalize(), results)
        only = asked["ids"][0] if len(asked["ids"]) == 1 else None
        place = url_for("orders.show", order_id=only) if only else url_for("sagas.show_all", view="attention")
        return redirect(place, 303)

    return routes


def _done(service: OrderService, do: str, saga_id: UUID, why: str, how: Mapping[str, bool]) -> str:
    told = service.act(do, str(saga_id), why, **how)
    return f"the saga is {told['saga']['state']} now"


def _asked(given: Any) -> dict[str, Any]:
    """What is to be done to which: from the list of a form, or of an address."""
    do, texts = given.get("do", ""), given.getlist("id")
    if do not in ACTS:
        abort(400, f"Nobody can {do[:40]!r} a saga.")
    if not 1 <= len(texts) <= CHOSEN_MAX:
        abort(422, f"Choose from one to {CHOSEN_MAX} of them.")
    return {"do": do, "ids": [wanted_id(text, "id of an order") for text in dict.fromkeys(texts)]}


def _counts(sources: Sources) -> dict[str, int]:
    samples = sources.watch.look()
    sagas = samples[-1].readings.sagas if samples else None
    if not isinstance(sagas, Sagas):
        return {}
    return {
        name: sum(sagas.by_status[status].count for status in view.counts if status in sagas.by_status)
        for name, view in VIEWS.items()
        if view.counts
    }


def _next(chosen: str, older: int, found: list[Any]) -> str | None:
    if len(found) <= PAGE:
        return None
    return url_for("sagas.show_all", view=chosen, after=found[PAGE - 1].id, older=older or None)


def _seconds(text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    if not text.isdecimal() or len(text) > 9:
        abort(400, f"{text[:40]!r} is no number of seconds.")
    return int(text)
