"""`python -m tests.workers.fatal_trainer N`: the real trainer, which kills itself (kill -9) after its N-th update.

The honest form of a machine that loses its power at that very step, whatever else the process is doing then.
"""

from __future__ import annotations

import os
import signal
import sys

from torch.optim.optimizer import register_optimizer_step_post_hook

from worker.training.__main__ import main


def die_after(updates: int) -> None:
    """Call it before the training begins."""
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1
        if done == updates:
            os.kill(os.getpid(), signal.SIGKILL)

    register_optimizer_step_post_hook(count)


if __name__ == "__main__":
    die_after(int(sys.argv[1]))
    sys.exit(main())
