"""What the supervisor writes into a job's log, for every way an attempt can end."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from shared.doorbell import QUEUE
from shared.errors import StoreError
from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry, JobState
from shared.store.log import DenseLog
from tests.processes import is_alive
from tests.workers.bench import Bench
from worker.supervision.supervisor import MAX_LOST_CLAIMS


def run_beside(bench: Bench, job_id: str) -> threading.Thread:
    """The supervisor at work in a thread that outlives its trainer."""
    thread = threading.Thread(target=bench.supervisor.run_job, args=[job_id])
    thread.start()
    return thread


def test_job_that_succeeds_is_claimed_recorded_and_published(bench: Bench) -> None:
    """The main path: claim 1, result 2, then version and release carry the job's id."""
    job_id = bench.stand.submit("succeed")
    bench.supervisor.run_job(job_id)
    job = bench.stand.job(job_id)
    assert bench.stand.kinds(job_id) == ["claim", "result"]
    assert job.state is JobState.SUCCEEDED
    assert job.result is not None
    assert (job.result.artifact_id, job.result.metrics) == (f"{job_id}-1", {"mood": {"macro_f1": 0.5}})
    assert bench.stand.versions_of(job_id) == [1]
    assert bench.stand.releases_of(job_id) == [1]
    assert not bench.leases.is_held(job_id)


def test_job_that_succeeds_leaves_its_progress_for_the_server(bench: Bench) -> None:
    """The server shows a job's progress from Redis; it must name the claim it belongs to."""
    job_id = bench.stand.submit("wait")
    thread = run_beside(bench, job_id)
    bench.stand.wait_until(lambda: bench.board.read(job_id) is not None)
    bench.stand.open_gate(job_id)
    thread.join()
    progress = bench.board.read(job_id)
    assert progress is not None
    assert (progress.claim, progress.stage, progress.step, progress.steps) == (1, "training", 1, 2)


def test_finished_job_rung_again_is_not_trained_again(bench: Bench) -> None:
    """A double doorbell is harmless: the log has a result, so there is nothing to claim."""
    job_id = bench.stand.submit("succeed")
    bench.supervisor.run_job(job_id)
    bench.supervisor.run_job(job_id)
    assert bench.stand.kinds(job_id) == ["claim", "result"]
    assert len(bench.stand.runs(job_id)) == 1
    assert bench.stand.versions_of(job_id) == [1]


def test_bad_data_fails_the_job_at_once_with_the_trainers_words(bench: Bench) -> None:
    """Another attempt would find the same row: the job fails, and says which file, row and column."""
    job_id = bench.stand.submit("refuse")
    bench.supervisor.run_job(job_id)
    result = bench.stand.job(job_id).result
    assert bench.stand.kinds(job_id) == ["claim", "result"]
    assert result is not None
    assert (result.state, result.error_code) == (JobState.FAILED, "INVALID_DATA")
    assert result.error_message == "hate.csv: row 7: column label: unknown label 'x'"
    assert bench.stand.versions_of(job_id) == []


def test_retryable_failure_is_tried_again_until_the_attempts_are_used_up(bench: Bench) -> None:
    """Three recorded failures end the job; before that each one queues it again and rings."""
    job_id = bench.stand.submit("fail")
    for attempt in range(1, 4):
        bench.client.delete(QUEUE)
        bench.supervisor.run_job(job_id)
        assert bench.doorbell.queue_length() == (1 if attempt < 3 else 0)
    result = bench.stand.job(job_id).result
    assert bench.stand.kinds(job_id) == ["claim", "failure", "claim", "failure", "claim", "result"]
    assert result is not None
    assert (result.state, result.error_message) == (JobState.FAILED, "loss is not finite in attempt 5")


def test_trainer_killed_is_a_recorded_failure_that_names_the_signal(bench: Bench) -> None:
    """A trainer that dies without a word (out of memory) counts as an attempt and can be understood afterwards."""
    job_id = bench.stand.submit("die-first")
    bench.supervisor.run_job(job_id)
    failure = bench.stand.job(job_id).log[-1]
    assert (failure.kind, failure.error_code) == ("failure", "TRAINER_DIED")
    assert "killed by SIGKILL" in failure.error_message
    assert "about to die" in failure.error_message
    bench.supervisor.run_job(job_id)
    assert bench.stand.kinds(job_id) == ["claim", "failure", "claim", "result"]
    assert bench.stand.job(job_id).state is JobState.SUCCEEDED


def test_trainer_that_ends_without_a_word_is_a_failure(bench: Bench) -> None:
    """Exit status 0 is no result: only a Result line is."""
    job_id = bench.stand.submit("mute")
    bench.supervisor.run_job(job_id)
    assert bench.stand.job(job_id).log[-1].error_message == "the trainer ended without a result: exit status 0"


def test_stray_output_of_the_trainer_does_not_fail_the_job(bench: Bench) -> None:
    """A library that prints to stdout costs a log line, not a training."""
    job_id = bench.stand.submit("chatter")
    bench.supervisor.run_job(job_id)
    assert bench.stand.job(job_id).state is JobState.SUCCEEDED


def test_unknown_job_is_ignored(bench: Bench) -> None:
    """A message may be older than the store it meets."""
    bench.supervisor.run_job("0123456789abcdef")
    assert bench.stand.store.list("jobs") == []


def test_job_whose_lease_is_held_is_left_alone(bench: Bench) -> None:
    """Two workers with one message each: only the one that holds the lease may claim."""
    job_id = bench.stand.submit("succeed")
    assert bench.leases.take(job_id)
    bench.supervisor.run_job(job_id)
    assert bench.stand.kinds(job_id) == []


def test_claim_without_lease_is_taken_over(bench: Bench) -> None:
    """A worker that vanished left a claim; it is no failure of the trainer, so it does not count as one."""
    job_id = bench.stand.submit("succeed")
    for _ in range(5):
        bench.stand.jobs.log(job_id).append(lambda _: JobEntry(kind="claim", worker="gone:1"))
    bench.supervisor.run_job(job_id)
    assert bench.stand.kinds(job_id) == [*["claim"] * 6, "result"]
    assert bench.stand.job(job_id).state is JobState.SUCCEEDED


@pytest.mark.parametrize("lacking", ["interpreter", "temporary folder"])
def test_trainer_that_cannot_be_started_is_a_recorded_failure(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    """An exception there would leave a claim without outcome, and the next worker would make another, for ever."""
    job_id = bench.stand.submit("succeed")
    with monkeypatch.context() as patched:
        if lacking == "interpreter":
            patched.setattr(sys, "executable", str(tmp_path / "no-python"))
        else:
            patched.setattr(tempfile, "tempdir", str(tmp_path / "no-folder"))
        bench.supervisor.run_job(job_id)
    failure = bench.stand.job(job_id).log[-1]
    assert (failure.kind, failure.error_code) == ("failure", "TRAINER_NOT_STARTED")
    assert "No such file or directory" in failure.error_message
    assert not bench.leases.is_held(job_id)
    bench.supervisor.run_job(job_id)
    assert bench.stand.kinds(job_id) == ["claim", "failure", "claim", "result"]
    assert bench.stand.job(job_id).state is JobState.SUCCEEDED


def test_job_that_loses_one_worker_after_another_has_failed(bench: Bench) -> None:
    """A job that brings its workers down must not go round the whole fleet for ever."""
    job_id = bench.stand.submit("succeed")
    log = bench.stand.jobs.log(job_id)
    for _ in range(MAX_LOST_CLAIMS):
        log.append(lambda _: JobEntry(kind="claim", worker="gone:1"))
    bench.supervisor.run_job(job_id)
    result = bench.stand.job(job_id).result
    assert bench.stand.runs(job_id) == []
    assert result is not None
    assert (result.state, result.error_code) == (JobState.FAILED, "WORKER_LOST")
    assert "10 workers in a row died or vanished" in result.error_message


def test_lost_workers_before_a_recorded_failure_do_not_count(bench: Bench) -> None:
    """An outcome in between says that the job does not bring down every worker."""
    job_id = bench.stand.submit("succeed")
    log = bench.stand.jobs.log(job_id)
    for number in range(MAX_LOST_CLAIMS + 2):
        kind = "failure" if number == 5 else "claim"
        log.append(lambda _, kind=kind: JobEntry(kind=kind, worker="gone:1"))  # type: ignore[misc]
    bench.supervisor.run_job(job_id)
    assert bench.stand.job(job_id).state is JobState.SUCCEEDED


class _FailsOnceAfterWriting(FolderStore):
    """The entry is linked, the folder's fsync fails: what a full or dying disk does."""

    has_failed = False

    def create(self, key: str, body: bytes) -> bool:
        created = super().create(key, body)
        if not self.has_failed:
            self.has_failed = True
            raise StoreError(f"cannot create {key}: Input/output error")
        return created


def test_outcome_that_was_written_before_the_store_failed_is_recorded(bench: Bench) -> None:
    """The retry meets its own entry: taken for somebody else's, a result would wait for its publication."""
    job_id = bench.stand.submit("succeed")
    bench.stand.jobs.log(job_id).append(lambda _: JobEntry(kind="claim", worker="own"))
    log = DenseLog(_FailsOnceAfterWriting(bench.stand.store.root), f"jobs/{job_id}/log", JobEntry)
    result = JobEntry(kind="result", state=JobState.SUCCEEDED, artifact_id="own")
    assert bench.supervisor._record(log, 1, result, job_id)
    assert bench.stand.kinds(job_id) == ["claim", "result"]


def test_higher_entry_in_the_log_stops_the_trainer(bench: Bench) -> None:
    """Whoever sees that the job went on without it stops, writes nothing and deletes nothing."""
    job_id = bench.stand.submit("wait")
    thread = run_beside(bench, job_id)
    pid = bench.stand.wait_for_trainer(job_id)
    bench.stand.jobs.log(job_id).append(lambda _: JobEntry(kind="result", state=JobState.CANCELLED))
    thread.join()
    assert not is_alive(pid)
    assert bench.stand.kinds(job_id) == ["claim", "result"]
    assert bench.stand.job(job_id).state is JobState.CANCELLED


def test_lease_of_another_holder_stops_the_trainer(bench: Bench) -> None:
    """A lease that ran out and was taken: the old holder leaves without a trace, its log entry stays the last."""
    job_id = bench.stand.submit("wait")
    thread = run_beside(bench, job_id)
    pid = bench.stand.wait_for_trainer(job_id)
    bench.client.set(f"polyhead:lease:{job_id}", "another")
    thread.join()
    assert not is_alive(pid)
    assert bench.stand.kinds(job_id) == ["claim"]
    assert bench.client.get(f"polyhead:lease:{job_id}") == "another"


def test_outcome_after_the_job_went_on_is_dropped(bench: Bench) -> None:
    """The log decides at the last moment: a result is appended right behind its own claim or not at all."""
    job_id = bench.stand.submit("succeed")
    log = bench.stand.jobs.log(job_id)
    log.append(lambda _: JobEntry(kind="claim", worker="old"))
    log.append(lambda _: JobEntry(kind="claim", worker="new"))
    late = JobEntry(kind="result", state=JobState.SUCCEEDED, artifact_id="old")
    assert not bench.supervisor._record(log, 1, late, job_id)
    assert bench.stand.kinds(job_id) == ["claim", "claim"]


def test_stop_request_ends_the_trainer_and_writes_nothing(bench: Bench) -> None:
    """A stopped worker leaves its job to the next one: no failure is counted, the lease is free, the doorbell rung."""
    job_id = bench.stand.submit("wait", ring=False)
    thread = run_beside(bench, job_id)
    pid = bench.stand.wait_for_trainer(job_id)
    bench.stop.request()
    thread.join()
    assert not is_alive(pid)
    assert bench.stand.kinds(job_id) == ["claim"]
    assert not bench.leases.is_held(job_id)
    assert bench.doorbell.queue_length() == 1


def test_trainer_that_ignores_sigterm_is_killed(bench: Bench) -> None:
    """The impolite signal follows the polite one."""
    job_id = bench.stand.submit("wait")
    thread = run_beside(bench, job_id)
    pid = bench.stand.wait_for_trainer(job_id)
    os.kill(pid, signal.SIGSTOP)  # a stopped process handles no SIGTERM
    bench.stop.request()
    thread.join()
    assert not is_alive(pid)
