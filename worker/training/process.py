"""What makes a process fit for training: threads, signals, errors as failures. Imports torch only when asked to.

Used by the two entry points of this package; changes the state of the whole process.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
import traceback

from shared.errors import BaseModelError, InvalidInputError, NotFoundError, PolyheadError, TrainingError
from worker.training.protocol import Failure

#: Another attempt with the same spec, seed and files would fail in the same way.
_PERMANENT = (InvalidInputError, BaseModelError, NotFoundError, TrainingError)
#: linux/prctl.h
_PR_SET_PDEATHSIG = 1
#: Read by OpenMP, MKL, OpenBLAS and the tokenizers' thread pool when they are loaded.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


def use_threads(threads: int) -> None:
    """Set the number of threads. Call it before torch, numpy or tokenizers are imported."""
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)
    # Threads that wait for each other sleep instead of spinning: on cores that are shared, with a server for example,
    # spinning costs far more than it saves (two busy cores, 2 threads: 66 examples/s spinning, 110 sleeping; 2026-11).
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    import torch
    from transformers.utils import logging

    torch.set_num_threads(threads)
    logging.disable_progress_bar()


def give_back_memory() -> None:
    """Return freed memory to the system, between stages: glibc keeps what batches of ever other lengths left behind.

    Does nothing where the C library has no malloc_trim.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def peak_memory_mib() -> float:
    """The most memory that this process ever had resident."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


def end_at_once_on_sigterm() -> None:
    """Also where the parent ignores or blocks the signal, which a child inherits."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def die_with_parent(parent_pid: int) -> None:
    """End when the process `parent_pid`, which started this one, ends, even by kill -9. On Linux only.

    As worker.supervision.tether, from within: a peer of a trainer has no second parent to outlive.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        sys.exit("the parent was gone before its child began")


def describe_failure(error: Exception) -> Failure:
    """What the supervisor is told. The traceback of an unexpected error goes to stderr."""
    if isinstance(error, PolyheadError):
        return Failure(code=error.code, message=error.message, retryable=not isinstance(error, _PERMANENT))
    traceback.print_exception(error)
    return Failure(code="INTERNAL", message=f"{type(error).__name__}: {error}", retryable=True)
