"""The secrets that the stack makes before anything starts; the roles' passwords are the bootstrap's work."""

import secrets
import sys
from pathlib import Path

NAMES = ("postgres", "operator_token")


def make(folder: Path) -> None:
    """Make what is not there yet, readable by nobody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in NAMES:
        if not (folder / name).exists():
            unfinished = folder / f"{name}.new"
            unfinished.unlink(missing_ok=True)
            unfinished.touch(mode=0o600)
            unfinished.write_text(secrets.token_urlsafe(32))
            unfinished.replace(folder / name)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
