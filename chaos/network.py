"""Network faults: links that are cut, reset or slow, by the proxy that brokers are reached through."""

import json
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Literal, Self

from chaos.cluster import Cluster
from chaos.faults import Blow, Effect, Ground
from chaos.proxy import CLEAR, Weather
from chaos.targets import NothingToHit, Target

ANSWER_SECONDS_MAX = 10.0
Counts = Mapping[str, Mapping[str, int]]


class Network:
    """The proxy, from its other end. Links are called as the targets they lead to."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=ANSWER_SECONDS_MAX)
        self._file = self._socket.makefile("rw")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The proxy clears the weather when it sees us go."""
        self._file.close()
        self._socket.close()

    def make(self, link: str, weather: Weather) -> Counts:
        return self._ask(link=link, weather=asdict(weather))

    def reset(self, link: str) -> Counts:
        return self._ask(link=link, reset=True)

    def counts(self) -> Counts:
        return self._ask()

    def _ask(self, **wanted: Any) -> Counts:
        self._file.write(json.dumps(wanted) + "\n")
        self._file.flush()
        answer: Counts = json.loads(self._file.readline())
        return answer


def _network(ground: Ground) -> Network:
    if not isinstance(ground.network, Network):
        raise NothingToHit("there is no proxy between clients and brokers")
    return ground.network


@dataclass(slots=True)
class BadWeather(Blow):
    """Links that are bad now, and the counts from before: the difference is what it did."""

    network: Network
    links: Collection[str]
    before: Counts
    counted: str
    # Where brokers may notice: how many partitions had lost a replica, at the most.
    cluster: Cluster | None = None
    shrunk: int = 0

    def look(self) -> None:
        if self.cluster:
            self.shrunk = max(self.shrunk, self.cluster.shrunk() or 0)

    def heal(self, within_seconds: float) -> Effect:
        del within_seconds  # Nothing has to come back.
        for link in self.links:
            self.network.make(link, CLEAR)
        after = self.network.counts()
        counted = {link: after[link][self.counted] - self.before[link][self.counted] for link in self.links}
        seen = {link: count for link, count in counted.items() if count}
        if not seen:
            return {}
        return {self.unit: seen} | ({"partitions_with_shrunk_isr": self.shrunk} if self.shrunk else {})

    @property
    def unit(self) -> str:
        return "connections_reset" if self.counted == "resets" else f"bytes_{self.counted}"


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes between clients and a server are held back: both ways, or one (`in` is to the server)."""

    way: Literal["both", "in", "out"] = "both"

    @property
    def name(self) -> str:
        return "cut" if self.way == "both" else f"cut one way ({self.way})"

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow:
        weather = Weather(cut_in=self.way in {"both", "in"}, cut_out=self.way in {"both", "out"})
        return _make(ground, targets, weather, "held")


@dataclass(frozen=True, slots=True)
class Slow:
    """Every byte is late, by so much and a little more by chance, and only so many go over in a second.

    It is on its way between clients and a broker, or between a broker and the others.
    """

    latency_ms: float = 100.0
    jitter_ms: float = 50.0
    bytes_per_second: int = 0
    between: bool = False

    @property
    def name(self) -> str:
        return "slow between brokers" if self.between else "slow"

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow:
        weather = Weather(
            latency_ms=self.latency_ms, jitter_ms=self.jitter_ms, bytes_per_second=self.bytes_per_second
        )
        if self.between:
            return _make_between(ground, targets, "delayed", lambda _target, _caller: weather)
        return _make(ground, targets, weather, "delayed")


@dataclass(frozen=True, slots=True)
class Reset:
    """Every connection to a server ends with a reset, once."""

    name: str = "reset"

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow:
        network = _network(ground)
        blow = BadWeather(network, [each.name for each in targets], network.counts(), "resets")
        for link in blow.links:
            network.reset(link)
        return blow


@dataclass(frozen=True, slots=True)
class Split:
    """A broker is cut off from the other brokers; clients reach it as ever. `out` holds what it sends."""

    way: Literal["both", "in", "out"] = "both"

    @property
    def name(self) -> str:
        return "split" if self.way == "both" else f"split one way ({self.way})"

    def strike(self, ground: Ground, targets: Sequence[Target]) -> Blow:
        return _make_between(ground, targets, "held", self._weather)

    def _weather(self, target: Target, caller: str) -> Weather:
        """Of a link that the broker itself has opened, or another has opened to it."""
        sent, received = self.way in {"both", "out"}, self.way in {"both", "in"}
        if caller == target.name:
            return Weather(cut_in=sent, cut_out=received)
        return Weather(cut_in=received, cut_out=sent)


def _between_brokers(links: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """The links between brokers, with who calls whom, by their names: `FROM>TO` and `FROM>TO/controller`."""
    for link in links:
        here, is_between, there = link.partition("/")[0].partition(">")
        if is_between:
            yield link, here, there


def has_links_between(network: object) -> bool:
    """Whether a proxy stands between the brokers."""
    return isinstance(network, Network) and any(_between_brokers(network.counts()))


def _make(ground: Ground, targets: Sequence[Target], weather: Weather, counted: str) -> Blow:
    network = _network(ground)
    blow = BadWeather(network, [each.name for each in targets], network.counts(), counted)
    for link in blow.links:
        network.make(link, weather)
    return blow


def _make_between(
    ground: Ground, targets: Sequence[Target], counted: str, weather_of: Callable[[Target, str], Weather]
) -> Blow:
    """Bad weather on all links between each target and the other brokers, by who calls on them."""
    network = _network(ground)
    before = network.counts()
    weather = {
        link: weather_of(target, here)
        for target in targets
        for link, here, there in _between_brokers(before)
        if target.name in {here, there}
    }
    if not weather:
        raise NothingToHit("there is no proxy between the brokers")
    blow = BadWeather(network, weather.keys(), before, counted, ground.cluster())
    for link, bad in weather.items():
        network.make(link, bad)
    return blow
