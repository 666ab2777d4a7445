"""The simulated gateway's webhooks: it tells what it has done, at its own pace, and gives up at last.

Nobody may rely on them: the queue is bounded, the oldest is dropped when it is full, and a receiver that
stays away is not told for ever. Whoever wants to be sure asks.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
import urllib3

from payment.signatures import sign
from runtime.waiting import Backoff

QUEUE_MAX = 1000
TIMEOUT = urllib3.Timeout(connect=1.0, read=3.0)
PAUSES = Backoff(attempts=5, first_seconds=0.2, most_seconds=5.0)

log = structlog.get_logger(__name__)


@dataclass
class WebhookSender:
    """A queue of what is to be told, and the loop that tells it."""

    url: str
    secrets: Sequence[str]
    stop: threading.Event
    pauses: Backoff = PAUSES
    _queue: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=QUEUE_MAX))
    _wake: threading.Event = field(default_factory=threading.Event)
    _pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(timeout=TIMEOUT, retries=False)
    )

    def tell(self, key: str, entry: Mapping[str, Any]) -> None:
        """Queue what was done under a key; a full queue drops its oldest."""
        if self.url:
            self._queue.append({"key": key, **entry})
            self._wake.set()

    def run(self) -> None:
        """Send what is queued, one after the other, until stopped."""
        while not self.stop.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
            while self._queue and not self.stop.is_set():
                self._send(self._queue.popleft())

    def _send(self, told: Mapping[str, Any]) -> None:
        """Try a few times: each with a new signature, but under one id, as it is one webhook."""
        body = json.dumps({"type": "operation.settled", "data": told}).encode()
        for pause in self.pauses:
            if self._post(f"msg_{told['key']}", body) or self.stop.wait(pause):
                return
        log.warning("a webhook was not taken", key=told["key"])

    def _post(self, webhook_id: str, body: bytes) -> bool:
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(self.secrets, webhook_id, timestamp, body),
        }
        try:
            answer = self._pool.request("POST", self.url, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status < HTTPStatus.BAD_REQUEST
