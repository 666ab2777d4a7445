"""Sends what was planned when it was planned: an open loop, by a bounded number of clients.

A request that finds every client busy is late, and its line says when it was meant: a slow system must not
look fast because it was asked less. Who does not learn what came of an order asks again under the same key.
"""

import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import requests

from chaos.answers import Answer, follow_ups, outcome_of
from chaos.history import History
from chaos.orders import Errand
from web.load import PLACING_MAX

# More than the order service places at once, so that it comes to refuse some.
CLIENTS = PLACING_MAX + 4
CONNECT_SECONDS_MAX, ANSWER_SECONDS_MAX = 3.0, 10.0
NAP_SECONDS = 0.5


class Agenda:
    """What is still to be asked, by time; empty for good once nothing is left and nobody is out."""

    def __init__(self, errands: Iterable[Errand], now: Callable[[], float]) -> None:
        self._numbers = itertools.count()
        self._waiting = [(each.intended, next(self._numbers), each) for each in errands]
        heapq.heapify(self._waiting)
        self._now = now
        self._out = 0
        self._changed = threading.Condition()

    def take(self, stop: threading.Event) -> Errand | None:
        """The next errand once it is due; None when there will be no more."""
        with self._changed:
            while not stop.is_set() and (self._waiting or self._out):
                pause = self._waiting[0][0] - self._now() if self._waiting else NAP_SECONDS
                if pause <= 0:
                    self._out += 1
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(min(pause, NAP_SECONDS))
        return None

    def done(self, followers: Iterable[Errand]) -> None:
        """An errand that was taken is over; these come of it."""
        with self._changed:
            for each in followers:
                heapq.heappush(self._waiting, (each.intended, next(self._numbers), each))
            self._out -= 1
            self._changed.notify_all()


class Workload:
    """Runs an agenda against the order service and writes the history."""

    def __init__(self, url: str, history: History, stop: threading.Event, name: str = "client") -> None:
        self._url = url
        self._history = history
        self._stop = stop
        self._name = name
        self._threads: list[threading.Thread] = []
        self._counting = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.latest_seconds = 0.0

    def start(self, errands: Iterable[Errand], clients: int = CLIENTS) -> None:
        """The errands' times count from now."""
        began = self._history.now()
        agenda = Agenda([each.later(began) for each in errands], self._history.now)
        self._threads = [
            threading.Thread(target=self._client, args=(f"{self._name}-{number}", agenda), daemon=True)
            for number in range(1, clients + 1)
        ]
        for thread in self._threads:
            thread.start()

    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def join_for(self, seconds: float) -> None:
        """Until it is over, or so long."""
        until = self._history.now() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - self._history.now()))

    def join(self) -> None:
        """Every wait of a client is bounded, so this is."""
        for thread in self._threads:
            thread.join()

    def _client(self, name: str, agenda: Agenda) -> None:
        with requests.Session() as session:
            session.trust_env = False  # A proxy of the environment has no business here.
            while errand := agenda.take(self._stop):
                followers: list[Errand] = []
                try:
                    answer = self._ask(session, name, errand)
                    followers = list(follow_ups(errand, answer, self._history.now()))
                finally:
                    agenda.done(followers)

    def _ask(self, session: requests.Session, name: str, errand: Errand) -> Answer:
        begun = self._history.begin(
            name, errand.kind, key=errand.key, intended=round(errand.intended, 4), value=_said(errand)
        )
        answer = _send(session, self._url, errand)
        self._count(errand, answer, begun.at - errand.intended)
        self._history.end(
            begun, answer.outcome, status=answer.status, value=_told(errand, answer), error=answer.error
        )
        return answer

    def _count(self, errand: Errand, answer: Answer, late: float) -> None:
        with self._counting:
            self.latest_seconds = late
            self.counts[f"{errand.kind} {answer.outcome}"] += 1
            self.counts["asked"] += 1
            self.counts["unknown"] += answer.outcome == "unknown"
            if errand.kind == "place":
                self.counts["placed"] += 1
            if errand.is_order and answer.status == 201 and not answer.body.get("replayed"):
                self.counts["accepted"] += 1


def _send(session: requests.Session, url: str, errand: Errand) -> Answer:
    limits = (CONNECT_SECONDS_MAX, ANSWER_SECONDS_MAX)
    try:
        response = _request(session, url, errand, limits)
        body = _body(response)
    except requests.RequestException as error:
        return Answer("unknown", error=f"{type(error).__name__}: {error}"[:200])
    outcome = outcome_of(response.status_code, response.headers, str(body.get("detail", "")))
    replayed = {"replayed": True} if "Idempotent-Replayed" in response.headers else {}
    wrong = None if outcome == "ok" else str(body.get("detail", response.reason))[:200]
    return Answer(outcome, response.status_code, body | replayed, wrong)


def _request(
    session: requests.Session, url: str, errand: Errand, limits: tuple[float, float]
) -> requests.Response:
    if errand.is_order:
        headers = {"Idempotency-Key": str(errand.key)}
        return session.post(f"{url}/orders", json=errand.body, headers=headers, timeout=limits)
    if errand.kind == "cancel":
        return session.post(f"{url}/orders/{errand.order_id}/cancel", timeout=limits)
    return session.get(f"{url}/orders/{errand.order_id}", timeout=limits)


def _body(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _said(errand: Errand) -> dict[str, Any]:
    if errand.is_order:
        return {"body": errand.body} | ({"other_body": True} if errand.is_other else {})
    return {"order_id": errand.order_id}


def _told(errand: Errand, answer: Answer) -> dict[str, Any]:
    """What was promised: enough to hold the system to it."""
    order_id = answer.order_id or errand.order_id
    fields = ("status", "needs_attention", "replayed")
    told = {name: answer.body[name] for name in fields if name in answer.body}
    return told | ({"order_id": order_id} if order_id and answer.outcome == "ok" else {})
