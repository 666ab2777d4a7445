"""Whether a node is ready, asked once, without blocking the stack's one thread."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing

from stack.node import Answers, Listens, Node, Succeeds
from stack.ports import HOST

ANSWER_SECONDS_MAX = 2


async def not_ready(nodes: Iterable[Node]) -> set[str]:
    """Ask each once, all at the same time; answers with the names of those that are not ready."""
    asked = list(nodes)
    answers = await asyncio.gather(*(is_ready(node) for node in asked))
    return {node.name for node, ready in zip(asked, answers, strict=True) if not ready}


async def is_ready(node: Node) -> bool:
    """Ask once. A job is never asked: its end is the answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await _PROBES[type(node.ready)](node)
    except (OSError, TimeoutError):
        return False


async def _listens(node: Node) -> bool:
    _, writer = await asyncio.open_connection(HOST, node.port)
    writer.close()
    return True


async def _answers(node: Node) -> bool:
    path = node.ready.path if isinstance(node.ready, Answers) else "/"
    reader, writer = await asyncio.open_connection(HOST, node.port)
    with closing(writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        status_line = await reader.readline()
    return b" 200 " in status_line


async def _succeeds(node: Node) -> bool:
    command = node.ready.command if isinstance(node.ready, Succeeds) else ("false",)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        return await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


_PROBES: dict[type, Callable[[Node], Awaitable[bool]]] = {
    Listens: _listens,
    Answers: _answers,
    Succeeds: _succeeds,
}
