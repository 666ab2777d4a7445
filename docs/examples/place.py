"""Put an example in its place: `python docs/examples/place.py EXAMPLE [FOLDER]`, by default where you stand.

Its files are copied, and its lines put into the files that are there already. Then the schemas and the
reference are made anew, as after any change of contracts. Nothing is changed where a line has no place.
"""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path


def lines(example: Path, root: Path) -> Mapping[Path, str]:
    """The files that change, and what is in them then."""
    changed: dict[Path, str] = {}
    for line in tomllib.loads((example / "lines.toml").read_text())["line"]:
        path = root / line["file"]
        before = changed.get(path) or path.read_text()
        if line["find"] not in before:
            sys.exit(f"{line['file']} has no {line['find']!r}")
        changed[path] = before.replace(line["find"], line["put"])
    return changed


def place(example: Path, root: Path) -> None:
    for path, text in lines(example, root).items():
        path.write_text(text)
    shutil.copytree(example / "tree", root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for module in ("contracts", "reference"):
        subprocess.run([sys.executable, "-m", module], cwd=root, check=True)


if __name__ == "__main__":
    _example, *_root = sys.argv[1:]
    place(Path(_example).resolve(), Path(*_root).resolve())
