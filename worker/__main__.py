"""`python -m worker`: reads the settings once, sets up the log, runs the worker until a signal."""

from __future__ import annotations

import sys

import structlog

from shared.errors import PolyheadError
from shared.logs import set_up_logs
from shared.store.folder import prepare_store
from worker.app import WorkerProcess
from worker.settings import WorkerSettings


def main() -> int:
    try:
        settings = WorkerSettings.from_environment()
        store = prepare_store(settings.store_url)
        set_up_logs(settings.worker_log_level)
        worker = WorkerProcess(settings, store)
    except PolyheadError as error:
        print(f"the worker does not start: {error}", file=sys.stderr)
        return 2
    structlog.get_logger("worker").info("worker starts", **settings.redacted())
    return worker.run()


if __name__ == "__main__":
    sys.exit(main())
