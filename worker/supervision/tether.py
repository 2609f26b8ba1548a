"""Runs a command that dies with the thread that started it: `python tether.py PARENT_PID COMMAND...`.

Owns one system call between fork and exec, in a program of its own: code between fork and exec of a threaded process
(preexec_fn) may deadlock. Linux kills the command as soon as its parent is gone, even by kill -9; elsewhere the call
does not exist, and a supervisor that is killed leaves its trainer to end by itself, which the job's log makes harmless.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: linux/prctl.h
PR_SET_PDEATHSIG = 1


def main(parent_pid: int, command: list[str]) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        sys.exit("the supervisor was gone before its child began")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
