"""The secrets that the stack makes before anything starts; the roles' passwords are the bootstrap's work."""

import sys
from pathlib import Path

from runtime.secrets import secret

NAMES = ("postgres", "operator_token")
# In a folder of its own: the gateway stands outside, and must see no other secret.
WEBHOOK = "gateway_webhook_secret"


def make(folder: Path, shared_with_gateway: Path) -> None:
    """Make what is not there yet."""
    for name in NAMES:
        secret(folder, name)
    secret(shared_with_gateway, WEBHOOK)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
