"""The peers of a training on this machine: started by rank 0, watched, and gone when it is.

Owns the processes. Rank 0 is the trainer itself; a peer is `python -m worker.training.ranks`. They find each other as
under torchrun: by the variables that it sets, and a TCP store on this machine that rank 0 opens.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from types import TracebackType
from typing import Self

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from shared.errors import PolyheadError, RankDiedError
from worker.training.protocol import TrainerInput
from worker.training.ranks.group import SOLO, WORLD_SIZE, Group, join

_LOCALHOST = "127.0.0.1"
_POLL_S = 0.2
#: Gloo tells the others at once that a rank is gone; who does not hear it in this time never will.
_GRACE_S = 20.0
#: A peer that failed takes the others down, rank 0 among them; so long rank 0 waits to learn which was the first.
_BLAME_S = 2.0


class Peers:
    """Ranks 1 to size - 1, running while it is entered. A peer that dies ends the training with RankDiedError."""

    def __init__(self, work: TrainerInput, size: int) -> None:
        self._work = work
        self._size = size
        self._processes: list[subprocess.Popen[str]] = []
        self._store = TCPStore(_LOCALHOST, 0, size, is_master=True, wait_for_workers=False)
        self._is_over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="peers", daemon=True)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def environment(self, rank: int) -> dict[str, str]:
        """What torchrun would set for `rank`."""
        return {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            WORLD_SIZE: str(self._size),
            "MASTER_ADDR": _LOCALHOST,
            "MASTER_PORT": str(self._store.port),
            # The store is there already, for all ranks alike.
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": "0",
            # Else a warning that parameters should be found unused, in every job whose batches have rows of all tasks.
            "TORCH_CPP_LOG_LEVEL": "ERROR",
            **({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}),
        }

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "worker.training.ranks", str(os.getpid())]
        try:
            for rank in range(1, self._size):
                environment = {**os.environ, **self.environment(rank)}
                # stdout belongs to rank 0's messages.
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
                )
                self._processes.append(process)
                assert process.stdin is not None
                with process.stdin as body:
                    body.write(self._work.to_json_line())
        except OSError:
            self._kill()
            raise
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """
        Raises:
            RankDiedError: in place of what rank 0 saw of it, if a peer died first.
        """
        self._is_over.set()
        self._watcher.join()
        # An error that every rank comes to, such as bad data, is told as it is.
        dead = "" if error is None or isinstance(error, PolyheadError) else self._wait_for_dead()
        self._kill()
        if dead:
            raise RankDiedError(dead) from error

    def _wait_for_dead(self) -> str:
        deadline = time.monotonic() + _BLAME_S
        while not self._dead() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return self._dead()

    def _dead(self) -> str:
        for rank, process in enumerate(self._processes, 1):
            code = process.poll()
            if code:
                end = f"signal {-code}" if code < 0 else f"exit status {code}"
                hint = " (often: out of memory)" if code == -9 else ""
                return f"rank {rank} of {self._size} (process {process.pid}) ended with {end}{hint}; see the log"
        return ""

    def _watch(self) -> None:
        """A collective call that never returns cannot be interrupted; then the process ends, and says why."""
        while not self._is_over.wait(_POLL_S):
            if self._dead():
                if not self._is_over.wait(_GRACE_S):
                    print(f"{self._dead()}; rank 0 does not notice and ends", file=sys.stderr, flush=True)
                    self._kill()
                    os._exit(1)
                return

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()


@contextmanager
def led_group(work: TrainerInput, processes: int) -> Iterator[Group]:
    """The group that this process leads: started here, already there under torchrun, or of itself alone.

    While it lasts, this process has its share of the threads.

    Raises:
        RankDiedError: if a peer dies.
    """
    if is_launched():
        with closing(join(work.device)) as group:
            yield group
    elif processes == 1:
        yield SOLO
    else:
        share = max(1, work.threads // processes)
        threads = torch.get_num_threads()
        with ExitStack() as stack:
            stack.callback(torch.set_num_threads, threads)
            torch.set_num_threads(share)
            peers = stack.enter_context(Peers(work.model_copy(update={"threads": share}), processes))
            stack.enter_context(_variables(peers.environment(0)))
            yield stack.enter_context(closing(join(work.device)))


def is_launched() -> bool:
    """Whether torchrun or rank 0 started this process as one of several."""
    return int(os.environ.get(WORLD_SIZE, "1")) > 1


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
