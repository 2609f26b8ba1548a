"""What a test of the supervisor needs at hand."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from shared.doorbell import Doorbell
from shared.progress import ProgressBoard
from tests.workers.stand import Stand
from worker.supervision.lease import LeaseOffice
from worker.supervision.stop_signal import StopSignal
from worker.supervision.supervisor import Supervisor


@dataclass(frozen=True)
class Bench:
    """A supervisor in this process, with the parts it was made of."""

    stand: Stand
    supervisor: Supervisor
    leases: LeaseOffice
    doorbell: Doorbell
    board: ProgressBoard
    client: redis.Redis
    stop: StopSignal
