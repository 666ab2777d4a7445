"""`./run chaos` on a system of somebody's own, as small as one can be: ours and it share nothing but HTTP."""

import json
import signal
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from chaos.faults import is_stopped
from chaos.history import operations, read
from runtime.waiting import until


class Orders(BaseHTTPRequestHandler):
    """Accepts every order, and says of each that it is complete."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(201)

    def do_GET(self):
        self._answer(200)

    def _answer(self, status):
        body = json.dumps({"order_id": "an-order", "status": "COMPLETED"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Nothing: a test's output is for what fails."""


@pytest.fixture
def shop():
    with ThreadingHTTPServer(("127.0.0.1", 0), Orders) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def victim():
    process = subprocess.Popen(["sleep", "600"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


@pytest.fixture
def chaos(shop, victim, tmp_path):
    """The command on that system, while its orders flow."""
    described = {
        "bootstrap_servers": "127.0.0.1:1",
        "urls": {"order": shop},
        "targets": [{"name": "mine", "kind": "connect", "pid_command": f"echo {victim.pid}"}],
    }
    (tmp_path / "targets.json").write_text(json.dumps(described))
    command = ["chaos", "connect-pause", "--seed", "1", "--orders", "500", "--rate", "10"]
    command += ["--targets", str(tmp_path / "targets.json"), "--report", str(tmp_path / "report")]
    process = subprocess.Popen([sys.executable, "-m", "stack", *command], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_an_interrupt_heals_what_is_broken_and_judges_nothing(chaos, victim, tmp_path):
    until(partial(is_stopped, victim), within_seconds=60, what="the pause")

    chaos.send_signal(signal.SIGINT)
    output, _ = chaos.communicate(timeout=60)

    assert chaos.returncode == 130
    assert not is_stopped(victim)
    assert "everything is healed" in output
    done = operations(read(tmp_path / "report" / "history.jsonl"))
    [fault] = [each for each in done if each.begin.kind == "fault"]
    assert fault.end.value["effect"]["state"] == {"mine": "T"}
    placed = [each for each in done if each.begin.kind == "place"]
    assert len(placed) > 20
    assert {each.outcome for each in placed} == {"ok"}


def test_a_run_that_is_killed_leaves_nobody_frozen(chaos, victim):
    until(partial(is_stopped, victim), within_seconds=60, what="the pause")

    chaos.kill()

    until(lambda: not is_stopped(victim), within_seconds=20, what="the process to go on")
