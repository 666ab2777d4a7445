"""Simulated failures: drawn from what a thing is called, so that every try of it ends the same way."""

import hashlib


def happens(name: str, rate: float) -> bool:
    """True for a share `rate` (0 to 1) of all names, always the same ones."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 < rate
