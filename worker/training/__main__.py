"""The trainer process, `python -m worker.training`: speaks worker.training.protocol with the supervisor.

Owns the two streams. torch is imported only after the thread counts are set, since its libraries read them once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

from worker.training.process import describe_failure, end_at_once_on_sigterm, use_threads
from worker.training.protocol import Event, TrainerInput


def main() -> int:
    end_at_once_on_sigterm()
    with _take_over_stdout() as stdout:

        def emit(event: Event) -> None:
            stdout.write(event.to_json_line())
            stdout.flush()

        emit(_outcome(sys.stdin.buffer.read(), emit))
    return 0


def _outcome(body: bytes, emit: Callable[[Event], None]) -> Event:
    try:
        work = TrainerInput.from_json(body)
        use_threads(work.threads)
        from worker.training.job import run_job

        return run_job(work, emit)
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor must hear of it
        return describe_failure(error)


def _take_over_stdout() -> TextIO:
    """Keep stdout for messages; whatever a library prints goes to stderr."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return messages


if __name__ == "__main__":
    sys.exit(main())
