"""How many orders the load generator of the benchmarks has under way."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks import feeder
from benchmarks.feeder import Feeder
from benchmarks.system import GOOD
from runtime.waiting import until


class Watch:
    """Has seen as many orders end as it is told."""

    count = 0


@contextmanager
def service(statuses):
    """An order service that answers with these, then with 201 for ever; and the bodies it was sent."""
    bodies, waiting = [], iter(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(next(waiting, 201))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()


def test_no_more_orders_are_placed_than_may_be_under_way(monkeypatch):
    monkeypatch.setattr(feeder, "BACKLOG_MAX", 20)
    watch = Watch()
    with service([503, 503]) as (url, bodies):
        fed = Feeder(url, watch, GOOD)
        with fed.feeding():
            until(lambda: fed.counts["accepted"] == 20, within_seconds=10, what="a full system")
            watch.count = 5
            until(lambda: fed.counts["accepted"] == 25, within_seconds=10, what="five more")
            watch.count = 25

    assert fed.counts["refused"] == 2
    assert b'"PIZZA"' in bodies[0]
