"""A network that can be made bad: TCP links between clients and servers, in a process of its own.

`python -m chaos.proxy CONTROL NAME=LISTEN,SERVER ...`, each an address HOST:PORT. Whoever connects to CONTROL
sends one JSON object a line, {"link": NAME or "*", "weather": {...}, "reset": true}, each part optional, and
gets the counts of all links back. All is well again as soon as that connection ends, however it ends.

A cut link holds bytes back, as a network that drops packets does: nothing arrives, nobody is told, and what
was held arrives when the link is whole again. `in` is from client to server.
"""

import asyncio
import json
import random
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

Way = Literal["in", "out"]
CHUNK_BYTES = 64 * 1024
CHUNKS_ON_THE_WAY_MAX = 64
CONNECT_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Weather:
    """What a link does to its traffic; the default is nothing."""

    cut_in: bool = False
    cut_out: bool = False
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    bytes_per_second: int = 0  # 0: without limit

    def is_cut(self, way: Way) -> bool:
        return self.cut_in if way == "in" else self.cut_out

    def delay_seconds(self) -> float:
        jitter = random.uniform(0, self.jitter_ms)  # noqa: S311 - no secret
        return (self.latency_ms + jitter) / 1000


CLEAR = Weather()


class Link:
    """One address that leads to one server."""

    def __init__(self, name: str, listen: str, server: str) -> None:
        self.name = name
        self.counts: Counter[str] = Counter(connections=0, resets=0, held=0, delayed=0, bytes=0)
        self.weather = CLEAR
        self._listen, self._server = listen, server
        self._changed = asyncio.Event()
        self._ends: set[asyncio.StreamWriter] = set()

    async def open(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, *_host_and_port(self._listen))

    def become(self, weather: Weather) -> None:
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()

    def reset(self) -> None:
        """End every connection as a dying router does: at once, and both sides get a reset."""
        self.counts["resets"] += len(self._ends) // 2
        for end in tuple(self._ends):
            _abort(end)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts["connections"] += 1
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                there, back = await asyncio.open_connection(*_host_and_port(self._server))
        except OSError:  # A time-out is one.
            _abort(writer)
            return
        self._ends |= {writer, back}
        is_over = False
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, back, "in"))
                both.create_task(self._pump(there, writer, "out"))
            is_over = True
        except* OSError:
            pass  # One side is gone; the other is told below.
        finally:
            self._ends -= {writer, back}
            for end in (writer, back):
                # Where both have said all they had to, the kernel still delivers it.
                end.close() if is_over else _abort(end)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        """Bring bytes over, each as late as the weather says, without one waiting for another's delay."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_ON_THE_WAY_MAX)
        now = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as both:
            both.create_task(self._carry(waiting, writer, way))
            while True:
                chunk = await reader.read(CHUNK_BYTES)
                delay = self.weather.delay_seconds()
                self.counts["delayed"] += len(chunk) if delay else 0
                await waiting.put((now() + delay, chunk))
                if not chunk:
                    return

    async def _carry(
        self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, way: Way
    ) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due, chunk = await waiting.get()
            if (pause := due - now()) > 0:
                await asyncio.sleep(pause)
            await self._until_whole(way, len(chunk))
            if not chunk:
                writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()
            self.counts["bytes"] += len(chunk)
            if limit := self.weather.bytes_per_second:
                await asyncio.sleep(len(chunk) / limit)

    async def _until_whole(self, way: Way, size: int) -> None:
        if self.weather.is_cut(way):
            self.counts["held"] += size
        while self.weather.is_cut(way):
            await self._changed.wait()


class Control:
    """Does what is asked of the links, and clears the weather when the asker is gone."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._links = {link.name: link for link in links}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        has_asked = False  # Who only looks whether somebody listens changes nothing by going.
        try:
            while line := await reader.readline():
                has_asked = True
                writer.write(json.dumps(self._obey(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except OSError:
            pass  # The asker died; what follows is all there is to do.
        finally:
            for link in self._links.values() if has_asked else ():
                link.become(CLEAR)
            _abort(writer)

    def _obey(self, wanted: dict[str, object]) -> dict[str, dict[str, int]]:
        name, weather = wanted.get("link"), wanted.get("weather")
        for link in self._links.values() if name == "*" else [self._links[str(name)]] if name else []:
            if isinstance(weather, dict):
                link.become(Weather(**weather))
            if wanted.get("reset"):
                link.reset()
        return {link.name: dict(link.counts) for link in self._links.values()}


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset: what was not delivered is not delivered by the kernel either."""
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


async def run(control: str, links: Iterable[Link]) -> None:
    """Serve until cancelled."""
    links = tuple(links)
    servers = [await link.open() for link in links]
    servers.append(await asyncio.start_server(Control(links).serve, *_host_and_port(control)))
    await asyncio.gather(*(server.serve_forever() for server in servers))


def as_link(argument: str) -> Link:
    name, _, addresses = argument.partition("=")
    return Link(name, *addresses.split(","))


async def main() -> None:
    control, *links = sys.argv[1:]
    await run(control, [as_link(each) for each in links])


if __name__ == "__main__":
    asyncio.run(main())
