"""`python -m tests.workers.stand_in_worker [KEY]`: a real worker process, but for its trainer and its gate.

With KEY, the process kills itself (kill -9) when it is about to create that key in the store: the honest form of a
power cut between two records.
"""

from __future__ import annotations

import os
import signal
import sys

from shared.logs import set_up_logs
from shared.store.folder import FolderStore, open_store
from worker.app import WorkerProcess
from worker.settings import WorkerSettings

STAND_IN_TRAINER = (sys.executable, "-m", "tests.workers.stand_in_trainer")
STAND_IN_GATE = (sys.executable, "-m", "tests.workers.stand_in_gate")


class FatalStore(FolderStore):
    """Ends its process instead of creating one key."""

    def __init__(self, store: FolderStore, fatal_key: str) -> None:
        super().__init__(store.root)
        self._fatal_key = fatal_key

    def create(self, key: str, body: bytes) -> bool:
        if key == self._fatal_key:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().create(key, body)


def main() -> int:
    settings = WorkerSettings.from_environment()
    set_up_logs(settings.worker_log_level)
    store = open_store(settings.store_url)
    if len(sys.argv) > 1:
        store = FatalStore(store, sys.argv[1])
    return WorkerProcess(settings, store, STAND_IN_TRAINER, STAND_IN_GATE).run()


if __name__ == "__main__":
    sys.exit(main())
