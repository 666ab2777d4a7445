"""How a webhook is signed, in the way of Standard Webhooks: pure, for whoever sends one and whoever takes it.

What is signed is `id.timestamp.body`, so neither of the three can be exchanged. During a rotation there are
several secrets: the sender signs with each, and one that the receiver knows is enough.
"""

import base64
import hmac
from collections.abc import Sequence

TOLERANCE_SECONDS = 300
SIGNATURES_MAX = 10
_PREFIX = "whsec_"  # what follows is base64, as gateways hand their secrets out; any other is taken as it is


def sign(secrets: Sequence[str], message_id: str, timestamp: str, body: bytes) -> str:
    """The header's value: a signature with each of the secrets."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    macs = (hmac.digest(_key(secret), signed, "sha256") for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)


def is_signed(secrets: Sequence[str], message_id: str, timestamp: str, body: bytes, signatures: str) -> bool:
    """Whether one of the signatures is of one of the secrets; every pair is compared, in constant time."""
    wanted = sign(secrets, message_id, timestamp, body).split()
    given = signatures.split()[:SIGNATURES_MAX]
    return sum(hmac.compare_digest(w.encode(), g.encode()) for w in wanted for g in given) > 0


def is_timely(timestamp: str, now: float) -> bool:
    """Whether the seconds since 1970 that the timestamp says are about now."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    return abs(now - int(timestamp)) <= TOLERANCE_SECONDS


def is_secret(text: str) -> bool:
    """Whether it can be signed with: what follows `whsec_` must be base64."""
    try:
        return bool(_key(text))
    except ValueError:
        return False


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    return secret.encode()
