"""The caretaker goes on whatever goes wrong, and rings only where nobody works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.doorbell import Doorbell
from shared.errors import StoreError
from shared.redis_client import connect
from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry
from tests.workers.stand import Stand
from worker.caretaker import Caretaker
from worker.checkpoint_sweep import CheckpointSweep
from worker.hearing import Hearing
from worker.heartbeat import Heartbeat
from worker.job_ledger import JobLedger
from worker.publishing.publisher import Publisher
from worker.supervision.lease import LeaseOffice
from worker.supervision.stop_signal import StopSignal

SWEEP_S = 0.05


class TroubledStore(FolderStore):
    """Fails its listings while it has a trouble."""

    trouble: Exception | None = None
    num_failures = 0

    def list(self, prefix: str) -> list[str]:
        if self.trouble is not None:
            self.num_failures += 1
            raise self.trouble
        return super().list(prefix)


class Care:
    """A caretaker with its parts."""

    def __init__(self, stand: Stand, lease_ttl_s: float) -> None:
        self.store = TroubledStore(stand.store.root)
        self.doorbell = Doorbell(stand.redis_url)
        self.client = connect(stand.redis_url)
        self.leases = LeaseOffice(self.client, stand.redis_url, lease_ttl_s)
        self.stop = StopSignal()
        ledger = JobLedger(self.store)
        self.caretaker = Caretaker(
            ledger,
            Publisher(self.store, ledger, lambda job_id: None),
            CheckpointSweep(self.store),
            self.leases,
            self.doorbell,
            Heartbeat(self.client, stand.redis_url, SWEEP_S),
            Hearing(self.doorbell, lambda: 0.0, self.stop.request),
            SWEEP_S,
            self.stop,
        )


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with Stand(tmp_path) as stand:
        yield stand


@pytest.fixture
def care(stand: Stand) -> Iterator[Care]:
    care = Care(stand, lease_ttl_s=2.0)
    yield care
    care.stop.request()
    care.caretaker.join(10)
    care.doorbell.close()
    care.client.close()


@pytest.mark.parametrize("trouble", [StoreError("cannot list jobs: test"), RuntimeError("a bug")], ids=["store", "bug"])
def test_trouble_in_the_store_does_not_end_the_caretaker(stand: Stand, care: Care, trouble: Exception) -> None:
    """A thread that logs an exception and ends would leave jobs waiting for ever."""
    stand.submit("succeed", ring=False)
    care.store.trouble = trouble
    care.caretaker.start()
    stand.wait_until(lambda: care.store.num_failures > 4)
    assert care.doorbell.queue_length() == 0
    care.store.trouble = None
    stand.wait_until(lambda: care.doorbell.queue_length() == 1)


def test_redis_away_does_not_keep_results_from_being_published(stand: Stand, care: Care) -> None:
    """Roll-forward needs the store alone."""
    job_id = stand.submit("succeed", ring=False)
    stand.jobs.log(job_id).append(lambda _: JobEntry(kind="result", state="SUCCEEDED", artifact_id="a"))
    stand.stop_redis()
    care.caretaker.start()
    stand.wait_until_released(job_id)


def test_claimed_job_with_a_lease_is_not_rung_for(stand: Stand, care: Care) -> None:
    """Somebody works on it."""
    job_id = stand.submit("succeed", ring=False)
    stand.jobs.log(job_id).append(lambda _: JobEntry(kind="claim"))
    care.client.set(f"polyhead:lease:{job_id}", "somebody")
    num_beats = stand.num_beats()
    care.caretaker.start()
    stand.wait_until(lambda: stand.num_beats() > num_beats + 5)
    assert care.doorbell.queue_length() == 0


def test_claimed_job_is_rung_for_when_its_lease_stays_away(stand: Stand, care: Care) -> None:
    """One look is not enough: a Redis that was flushed gets the leases of living supervisors back."""
    job_id = stand.submit("succeed", ring=False)
    stand.jobs.log(job_id).append(lambda _: JobEntry(kind="claim"))
    care.caretaker.ring_for_waiting_jobs()
    assert care.doorbell.queue_length() == 0
    care.caretaker.start()
    stand.wait_until(lambda: care.doorbell.queue_length() == 1)
