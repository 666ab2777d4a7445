"""Who calls: what tells one client from another, for keys and limits."""

import hashlib

from flask import request


def caller() -> str:
    """The bearer token's digest where there is one, so that no token is kept, else the address."""
    given = request.authorization
    if given is not None and given.type == "bearer" and given.token:
        return f"token {hashlib.sha256(given.token.encode()).hexdigest()}"
    return f"address {request.remote_addr}"
