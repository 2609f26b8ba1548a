"""A thread that runs when no other thread wants the core, for the heavy parts of loading (docs/decisions/0023).

What runs there must hold the interpreter's lock for microseconds only: a thread that has no core keeps the lock.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import structlog
import torch

from shared.errors import UnavailableError

log = structlog.get_logger(__name__)

T = TypeVar("T")


class IdleThread:
    """Used by one thread at a time."""

    def __init__(self, patience_s: float) -> None:
        """On a machine that others keep busy its turn may never come: `patience_s` after `start` calls run at once."""
        self._executor = _new_executor()
        self._patience_s = patience_s
        self._ends_s = 0.0
        self._is_closed = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """From now on calls are given the patience, all together."""
        self._ends_s = time.monotonic() + self._patience_s

    def run(self, call: Callable[[], T], /) -> T:
        """What `call` returns or raises. It may be run a second time, by the calling thread, beside the first.

        Raises:
            UnavailableError: if it is closed, perhaps by another thread.
        """
        with self._lock:
            if self._is_closed:
                raise UnavailableError("the server stops, and loads no model any more")
            left_s = self._ends_s - time.monotonic()
            future = self._executor.submit(call) if left_s > 0 else None
        if future is None:
            return call()
        if wait([future], left_s).done:
            return future.result()
        log.warning("the machine leaves no time for loading, which now takes its share", after_s=self._patience_s)
        with self._lock:
            # The thread may keep the abandoned call for long; the next load gets another one.
            self._executor.shutdown(wait=False)
            if not self._is_closed:
                self._executor = _new_executor()
        return call()

    def close(self) -> None:
        """What runs ends; nothing begins any more."""
        with self._lock:
            self._is_closed = True
            self._executor.shutdown(wait=False)


def _new_executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "idle", _become_idle)


def _become_idle() -> None:
    """By Linux' class of that name; where there is none, or it is forbidden, the thread is like the others."""
    torch.set_num_threads(1)
    if not hasattr(os, "SCHED_IDLE"):
        return
    try:
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
    except OSError as error:
        log.warning("models are loaded at the priority of the rest", error=str(error))
