"""A small client for Connect's REST interface: several workers, any of which may be away."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

import requests

from connect.health import ConnectorStatus, parse
from runtime.errors import NeverlostError
from runtime.waiting import Backoff

# A rebalance takes a few seconds, in which Connect refuses (409) or fails to forward (500) what may be
# asked again: every request made here has the same effect once and twice.
_PASSING = frozenset(
    {
        HTTPStatus.CONFLICT,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)

# What Connect's leader answers after one write of a restart has failed: it has given up its right to write,
# and claims it only when its group rebalances for some other reason (KafkaConfigBackingStore 4.3.1).
_DISOWNED = "without claiming write privileges"

Method = Literal["GET", "PUT", "POST", "PATCH", "DELETE"]


class ConnectError(NeverlostError):
    """Connect refused, or no worker answered."""


class _DisownedError(ConnectError):
    """The leader of its group may not write: it would answer the same again."""


class _AskAgainError(Exception):
    """Not this worker, or not now."""


_RETRIES = Backoff(attempts=8, first_seconds=0.25, most_seconds=4)


class ConnectClient:
    """Asks the worker that answered last, then the others, and again while Connect is rebalancing.

    `rebalance` makes it do so, once in a request, where the group's leader may not write any more; then the
    request is made anew.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout_seconds: float = 10,
        retries: Backoff = _RETRIES,
        rebalance: Callable[[], None] | None = None,
    ) -> None:
        self._urls = deque(url.rstrip("/") for url in urls)
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._rebalance = rebalance
        self._session = requests.Session()
        self._session.trust_env = False  # The workers are neighbours: no proxy stands in between.

    def statuses(self) -> dict[str, ConnectorStatus]:
        """Every connector with its tasks, by name."""
        return parse(self._ask_known("GET", "/connectors?expand=status"))

    def registered(self) -> tuple[dict[str, ConnectorStatus], dict[str, dict[str, str]]]:
        """Every connector with its tasks, and its configuration as it was put: in one request.

        `config` waits for its turn in the worker's own loop; this is read from what the worker holds.
        """
        answer = self._ask_known("GET", "/connectors?expand=status&expand=info")
        return parse(answer), {name: entry["info"]["config"] for name, entry in answer.items()}

    def config(self, name: str) -> dict[str, str] | None:
        """A connector's configuration as it was put, `${env:...}` and all; None when there is none."""
        answer: dict[str, str] | None = self._ask("GET", f"/connectors/{name}/config")
        return answer

    def register_stopped(self, name: str, config: Mapping[str, str]) -> None:
        """Make a connector that does nothing before `resume`: its position may be set first."""
        body = {"name": name, "config": dict(config), "initial_state": "STOPPED"}
        self._ask_known("POST", "/connectors", body)

    def put_config(self, name: str, config: Mapping[str, str]) -> None:
        self._ask_known("PUT", f"/connectors/{name}/config", config)

    def restart(self, name: str, *, only_failed: bool) -> None:
        """Restart the connector and its tasks, or only those of them that have failed."""
        only = "true" if only_failed else "false"
        self._ask_known("POST", f"/connectors/{name}/restart?includeTasks=true&onlyFailed={only}")

    def pause(self, name: str) -> None:
        self._ask_known("PUT", f"/connectors/{name}/pause")

    def resume(self, name: str) -> None:
        self._ask_known("PUT", f"/connectors/{name}/resume")

    def stop(self, name: str) -> None:
        """End the connector's tasks and let go of its slot; its configuration and position stay."""
        self._ask_known("PUT", f"/connectors/{name}/stop")

    def delete(self, name: str) -> None:
        """Forget the connector, if there is one; its slot and its position stay."""
        self._ask("DELETE", f"/connectors/{name}")

    def set_offset(self, name: str, partition: Mapping[str, Any], offset: Mapping[str, Any]) -> None:
        """Set the position of a STOPPED connector; Connect fences its old tasks first.

        There is no `delete_offsets`: under exactly-once, with an offsets topic of the connector's own,
        Connect 4.3.1 answers DELETE with a timeout and changes nothing (docs/decisions).
        """
        body = {"offsets": [{"partition": dict(partition), "offset": dict(offset)}]}
        self._ask_known("PATCH", f"/connectors/{name}/offsets", body)

    def plugins(self) -> dict[str, str]:
        """The version of each connector plugin, by its class."""
        return {each["class"]: each["version"] for each in self._ask_known("GET", "/connector-plugins")}

    def refusals(self, config: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """What a worker has against a configuration, by key. It opens the database; nothing is put."""
        path = f"/connector-plugins/{config['connector.class']}/config/validate"
        answer = self._ask_known("PUT", path, config)
        values = [each["value"] for each in answer["configs"]]
        return {value["name"]: tuple(value["errors"]) for value in values if value["errors"]}

    def check_health(self) -> None:
        """Raises ConnectError when no worker is both up and on speaking terms with Kafka."""
        self._ask_known("GET", "/health")

    def workers(self) -> dict[str, dict[str, str] | None]:
        """Each worker's version and Kafka cluster, by its address; None for one that does not answer."""
        found: dict[str, dict[str, str] | None] = {}
        for url in sorted(self._urls):
            try:
                found[url] = self._session.get(url + "/", timeout=self._timeout_seconds).json()
            except (requests.RequestException, ValueError):
                found[url] = None
        return found

    def _ask_known(self, method: Method, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask for what must be there: without the connector, or the worker still starting, it is not."""
        answer = self._ask(method, path, body)
        if answer is None:
            raise ConnectError(f"Connect knows nothing of {path.partition('?')[0]}, or is still starting")
        return answer

    def _ask(self, method: Method, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON ({} for an empty one); None for 404. Raises ConnectError after the last retry."""
        try:
            return self._ask_often(method, path, body)
        except _DisownedError:
            if self._rebalance is None:
                raise
        self._rebalance()
        return self._ask_often(method, path, body)

    def _ask_often(self, method: Method, path: str, body: Mapping[str, Any] | None) -> Any:
        told: list[str] = []
        for pause in self._retries:
            told = []
            for _ in self._urls.copy():
                try:
                    return _content(self._send(method, path, body))
                except _AskAgainError as error:
                    told.append(str(error))
                    self._urls.rotate(-1)
            if any(_DISOWNED in each for each in told):
                raise _DisownedError(f"{method} {path} did not succeed: {'; '.join(told)}")
            threading.Event().wait(pause)
        raise ConnectError(f"{method} {path} did not succeed: {'; '.join(told) or 'CONNECT_URLS is empty'}")

    def _send(self, method: Method, path: str, body: Mapping[str, Any] | None) -> requests.Response:
        """What the worker in front says; _AskAgainError when its answer would pass, or there is none."""
        url = self._urls[0]
        try:
            response = self._session.request(method, url + path, json=body, timeout=self._timeout_seconds)
        except requests.RequestException as error:
            raise _AskAgainError(f"{url} does not answer ({type(error).__name__})") from error
        if response.status_code in _PASSING:
            raise _AskAgainError(f"{url} answers {response.status_code} {response.text[:300]}")
        return response


def _content(response: requests.Response) -> Any:
    if response.status_code == HTTPStatus.NOT_FOUND:
        return None
    if not response.ok:
        raise ConnectError(f"Connect answers {response.status_code}: {response.text[:1000]}")
    return response.json() if response.content else {}
