"""Becomes another program that dies with its parent, even at kill -9. Run by file, before anything else is imported:

    python -I -S tether.py <pid of the parent> <program> <arguments>...

Linux only (prctl(2), PR_SET_PDEATHSIG); elsewhere the program just runs. The signal comes when the *thread* that
started the program ends, so start it from one that lives as long as it should.
"""

import ctypes
import os
import signal
import sys

#: linux/prctl.h
PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent has already gone")
    os.execv(program, sys.argv[2:])


if __name__ == "__main__":
    main()
