"""What a worker makes of a cancelled job, wherever the wish finds it."""

from __future__ import annotations

import threading

from shared.store.jobs import JobEntry, JobState
from tests.processes import is_alive
from tests.workers.bench import Bench


def test_running_job_that_is_cancelled_ends_without_a_model(bench: Bench) -> None:
    """The trainer, in the middle of its work, is gone; the result says CANCELLED and nothing is published."""
    job_id = bench.stand.submit("wait")
    thread = threading.Thread(target=bench.supervisor.run_job, args=[job_id])
    thread.start()
    pid = bench.stand.wait_for_trainer(job_id)
    assert bench.stand.jobs.cancel(job_id).state is JobState.RUNNING
    thread.join()
    assert not is_alive(pid)
    assert bench.stand.job(job_id).state is JobState.CANCELLED
    assert bench.stand.kinds(job_id) == ["claim", "result"]
    assert bench.stand.versions_of(job_id) == []
    assert not bench.leases.is_held(job_id)


def test_cancelled_job_whose_worker_is_gone_is_not_trained_again(bench: Bench) -> None:
    """The next worker finds the wish and writes the result, where it would have claimed."""
    job_id = bench.stand.submit("succeed")
    bench.stand.jobs.log(job_id).append(lambda _: JobEntry(kind="claim", worker="gone:1"))
    bench.stand.jobs.cancel(job_id)
    bench.supervisor.run_job(job_id)
    assert bench.stand.runs(job_id) == []
    assert bench.stand.kinds(job_id) == ["claim", "result"]
    assert bench.stand.job(job_id).state is JobState.CANCELLED


def test_queued_job_that_is_cancelled_is_not_claimed(bench: Bench) -> None:
    """Its message may still be in the queue."""
    job_id = bench.stand.submit("succeed")
    bench.stand.jobs.cancel(job_id)
    bench.supervisor.run_job(job_id)
    assert bench.stand.kinds(job_id) == ["result"]
    assert bench.stand.runs(job_id) == []


def test_result_in_hand_of_a_cancelled_job_is_not_published(bench: Bench) -> None:
    """The wish stood before the result did: who cancelled a job must not find its model serving."""
    job_id = bench.stand.submit("cancel-and-succeed")
    bench.supervisor.run_job(job_id)
    assert bench.stand.kinds(job_id) == ["claim", "result"]
    assert bench.stand.job(job_id).state is JobState.CANCELLED
    assert bench.stand.versions_of(job_id) == []
