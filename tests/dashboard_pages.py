"""The dashboard as a test sees it: pages by address, forms by their tokens; and neighbours that answer."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from werkzeug.serving import make_server

from contracts.services import SERVICES
from dashboard.app import create_app
from dashboard.settings import Settings
from order.saga import Patience

NOWHERE = "127.0.0.1:1"
TOKEN = "the-operators-token"


def settings_for(copies, **changes) -> Settings:
    """Every database of a test; Kafka, Connect and the services are away."""
    values = {
        "databases": {name: copies.url(name, "auditor") for name in [*_names(), "audit"]},
        "handlers": {name: copies.url(name) for name in _names()},
        "bootstrap_servers": (NOWHERE,),
        "connect_urls": (f"http://{NOWHERE}",),
        "urls": dict.fromkeys(_names(), f"http://{NOWHERE}"),
        "supervisor_url": f"http://{NOWHERE}",
        "operator_token": TOKEN,
        "reports": Path("/nowhere"),
        "patience": Patience(),
    }
    return Settings(**{**values, **changes})


@dataclass
class Pages:
    """A browser without JavaScript."""

    settings: Settings
    app: object = None
    client: object = field(init=False)

    def __post_init__(self):
        self.app = create_app(self.settings, watches=False)
        self.client = self.app.test_client()

    @property
    def sources(self):
        return self.app.extensions["sources"]

    def get(self, place, **headers):
        return self.client.get(place, headers=headers)

    def text(self, place, status=200):
        answer = self.get(place)
        assert answer.status_code == status, f"{place}: {answer.status_code} {answer.text[:2000]}"
        return answer.text

    def post(self, place, *, form, **fields):
        """What a form of the page `form` sends."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.text(form))
        assert found, f"{form} has no form"
        return self.client.post(place, data={"csrf_token": found[1], **fields})

    def sign_in(self, name="anna"):
        answer = self.post("/login", form="/login", token=TOKEN, name=name)
        assert answer.status_code == 303, answer.text

    def close(self):
        self.sources.close()


def _names():
    return [service.name for service in SERVICES]


@contextmanager
def served(app) -> Iterator[str]:
    """A Flask application behind a port, and its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(timeout=5)
        server.server_close()


@contextmanager
def answering(answers) -> Iterator[tuple[str, list[str]]]:
    """Somebody's HTTP by path: its address, and what it was asked. An unknown path is a 404."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self):
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answers.get(self.path, (404, {}))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815 - the library's names

        def log_message(self, *_):
            """Nothing to tell."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
