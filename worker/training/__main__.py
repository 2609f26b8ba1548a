"""The trainer process, `python -m worker.training`: speaks worker.training.protocol with the supervisor.

Owns what a process is: descriptors, signals, thread counts, the mapping of errors to a Failure. torch is imported only
after the thread counts are set, since its libraries read them once.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TextIO

from shared.errors import BaseModelError, InvalidInputError, NotFoundError, PolyheadError, TrainingError
from worker.training.protocol import Event, Failure, TrainerInput

#: Another attempt with the same spec, seed and files would fail in the same way.
_PERMANENT = (InvalidInputError, BaseModelError, NotFoundError, TrainingError)
#: Read by OpenMP, MKL, OpenBLAS and the tokenizers' thread pool when they are loaded.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


def main() -> int:
    _end_at_once_on_sigterm()
    with _take_over_stdout() as stdout:

        def emit(event: Event) -> None:
            stdout.write(event.to_json_line())
            stdout.flush()

        emit(_outcome(sys.stdin.buffer.read(), emit))
    return 0


def _outcome(body: bytes, emit: Callable[[Event], None]) -> Event:
    try:
        work = TrainerInput.from_json(body)
        _set_threads(work.threads)
        from worker.training.job import run_job

        return run_job(work, emit)
    except PolyheadError as error:
        return Failure(code=error.code, message=error.message, retryable=not isinstance(error, _PERMANENT))
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor must hear of it
        traceback.print_exc()
        return Failure(code="INTERNAL", message=f"{type(error).__name__}: {error}", retryable=True)


def _end_at_once_on_sigterm() -> None:
    """Also where the parent ignores or blocks the signal, which a child inherits."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _take_over_stdout() -> TextIO:
    """Keep stdout for messages; whatever a library prints goes to stderr."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return messages


def _set_threads(threads: int) -> None:
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)
    import torch
    from transformers.utils import logging

    torch.set_num_threads(threads)
    logging.disable_progress_bar()


if __name__ == "__main__":
    sys.exit(main())
