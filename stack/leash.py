"""Runs a command that dies with its parent: `leash.py PARENT SIGNAL ACCOUNT COMMAND...`.

It is started by its path, and imports nothing of ours: it stands between fork and exec of every
process. The kernel forgets the signal when the user changes, so the account comes first.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def leashed(
    command: Sequence[str], *, account: str | None = None, orphan_signal: signal.Signals = signal.SIGKILL
) -> list[str]:
    """The command behind a shim that makes it die with this process.

    The kernel binds the leash to the thread that starts the process: only a thread that lives as long
    as the process itself may do so, such as the main thread.
    """
    shim = [sys.executable, "-I", "-S", __file__]
    return [*shim, str(os.getpid()), str(int(orphan_signal)), account or "", *command]


def become(account: str) -> None:
    entry = pwd.getpwnam(account)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main() -> None:
    parent, number, account, *command = sys.argv[1:]
    if account:
        become(account)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    # The parent may have died before the kernel was told.
    if os.getppid() == int(parent):
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
