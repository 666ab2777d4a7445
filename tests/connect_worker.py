"""A worker of Kafka Connect as far as its client can tell: an HTTP server with answers of our choice."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def worker_that_answers(*answers):
    """A real HTTP server that gives one (status, JSON) answer after another, and the last for ever."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            status, body = answers[min(len(asked), len(answers) - 1)]
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(f"{self.command} {self.path}")
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_PATCH = answer  # noqa: N815 - the library's names

        def log_message(self, *_arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()
