"""A peer, `python -m worker.training.ranks PARENT_PID`: reads the trainer's input, trains along, saves nothing.

Ends with its parent, rank 0, whatever ends that.
"""

from __future__ import annotations

import os
import sys

from worker.training.process import describe_failure, die_with_parent, end_at_once_on_sigterm, use_threads
from worker.training.protocol import TrainerInput


def main() -> int:
    end_at_once_on_sigterm()
    die_with_parent(int(sys.argv[1]))
    try:
        work = TrainerInput.from_json(sys.stdin.buffer.read())
        use_threads(work.threads)
        from worker.training.ranks.peer import run_peer

        run_peer(work)
    except Exception as error:  # noqa: BLE001 - its parent sees the exit status, the log has the reason
        failure = describe_failure(error)
        print(f"rank {os.environ.get('RANK')}: {failure.code}: {failure.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # Nothing is left to be done; threads of the communication may still be about, and abort a process that tidies up.
    os._exit(status)
