"""`/livez`, `/readyz` and `/metrics` of processes that have no HTTP of their own."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from runtime import metrics

Readiness = Callable[[], Mapping[str, str]]

# Who connects and asks nothing keeps a thread for no longer.
SILENT_SECONDS = 10.0

log = structlog.get_logger(__name__)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's names
        """By the log, and so without values: who asked has gone, or a check has failed."""
        log.warning("a question about health was not answered", exc_info=sys.exception())


def readiness(problems: Mapping[str, str], warnings: Mapping[str, str]) -> tuple[int, dict[str, object]]:
    """What `/readyz` answers: what only warns is for people, and leaves the process ready."""
    status = "fail" if problems else "warn" if warnings else "pass"
    return 503 if problems else 200, {"status": status, "checks": {**warnings, **problems}}


def serve_health(
    bind: tuple[str, int], problems: Readiness, warnings: Readiness = dict
) -> ThreadingHTTPServer:
    """Answer on `bind` from a thread: live always, ready when `problems()` is empty."""

    class Handler(BaseHTTPRequestHandler):
        timeout = SILENT_SECONDS

        def do_GET(self) -> None:
            if self.path == "/livez":
                self._answer(200, {"status": "pass"})
            elif self.path == "/readyz":
                self._answer(*readiness(problems(), warnings()))
            elif self.path == "/metrics":
                self._send(200, metrics.CONTENT_TYPE, metrics.exposition())
            else:
                self._answer(404, {"status": "unknown path"})

        def _answer(self, status: int, body: Mapping[str, object]) -> None:
            self._send(status, "application/json", json.dumps(body).encode())

        def _send(self, status: int, content_type: str, text: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Probes come every second: not worth a line."""

    server = _Server(bind, Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
