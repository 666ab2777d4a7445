"""Secrets as files: made once, readable by their owner alone."""

import secrets
from pathlib import Path


def secret(folder: Path, name: str) -> str:
    """The secret of that name; made where it is not there yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        unfinished = folder / f"{name}.new"
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text(secrets.token_urlsafe(32))
        unfinished.replace(path)
    return path.read_text().strip()
