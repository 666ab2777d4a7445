"""The secrets that the stack makes before anything starts; the roles' passwords are the bootstrap's work."""

import sys
from pathlib import Path

from runtime.secrets import secret

NAMES = ("postgres", "operator_token", "gateway_webhook_secret")


def make(folder: Path) -> None:
    """Make what is not there yet."""
    for name in NAMES:
        secret(folder, name)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
