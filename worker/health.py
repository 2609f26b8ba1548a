"""`python -m worker.health`: status 0 if the worker on this host is alive and reaches Redis. For container checks."""

from __future__ import annotations

import sys

from shared.errors import PolyheadError
from shared.redis_client import connect
from worker.heartbeat import Heartbeat
from worker.settings import WorkerSettings


def main() -> int:
    try:
        settings = WorkerSettings.from_environment()
        url = settings.redis_url.get_secret_value()
        if Heartbeat(connect(url), url, settings.worker_sweep_s).is_fresh():
            return 0
        print("no sign of life from the worker on this host", file=sys.stderr)
    except PolyheadError as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
