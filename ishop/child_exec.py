"""Run as a script: give up root, tie this process to its parent, then become the program on the command line.

`python -I -S child_exec.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT ...]`; a UID of -1 means "stay who you are".

It is a program of its own, and not a `preexec_fn`, for two reasons. Python code between fork and exec can deadlock in a
process with threads. And the kernel forgets the parent-death signal when a process changes its user, so it must be
asked for after root was given up, by a Python that was still started by root: the unprivileged user may be unable to
read the interpreter (below a home directory with mode 0700, for example).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
STAY = -1


def become(parent: int, death_signal: int, uid: int, gid: int, program: list[str]) -> None:
    """Replace this process by `program`, which gets `death_signal` when `parent` ends, however it ends."""
    if uid != STAY:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        # The parent ended before the signal was asked for, so it will never come.
        sys.exit("The process that started this one has ended.")
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted: the arguments come from our own supervisors.


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
