"""A supervisor in this process, with a real Valkey, a real store and a stand-in trainer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.doorbell import Doorbell
from shared.progress import ProgressBoard
from shared.redis_client import connect
from tests.workers.bench import Bench
from tests.workers.stand import Stand
from tests.workers.stand_in_worker import STAND_IN_TRAINER
from worker.job_ledger import JobLedger
from worker.publishing.publisher import Publisher
from worker.supervision.lease import LeaseOffice
from worker.supervision.stop_signal import StopSignal
from worker.supervision.supervisor import Supervisor, TrainerSettings


@pytest.fixture(scope="module")
def module_stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with Stand(tmp_path_factory.mktemp("stand")) as stand:
        yield stand


@pytest.fixture
def client(module_stand: Stand) -> Iterator[redis.Redis]:
    client = connect(module_stand.redis_url)
    yield client
    client.flushall()
    client.close()


@pytest.fixture
def bench(tmp_path: Path, module_stand: Stand, client: redis.Redis) -> Iterator[Bench]:
    stand = Stand(tmp_path)
    stand.redis_url = module_stand.redis_url
    leases = LeaseOffice(client, stand.redis_url, 2.0)
    doorbell = Doorbell(stand.redis_url)
    board = ProgressBoard(stand.redis_url)
    stop = StopSignal()
    settings = TrainerSettings(
        store_url=str(stand.store.root), base_model="none", data_roots=(), threads=1, device="cpu", max_attempts=3
    )
    publisher = Publisher(stand.store, JobLedger(stand.store), lambda job_id: None)
    supervisor = Supervisor(
        stand.jobs, publisher.roll_forward, leases, doorbell, board, settings, stop, STAND_IN_TRAINER
    )
    yield Bench(stand, supervisor, leases, doorbell, board, client, stop)
    doorbell.close()
    board.close()
