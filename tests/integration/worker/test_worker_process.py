"""The worker process as a whole: start, jobs in order, stop, health. Its trainer is a stand-in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.doorbell import Doorbell
from shared.redis_client import connect
from shared.store.jobs import JobState
from tests.processes import is_alive
from tests.workers.stand import REPOSITORY, Stand


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with Stand(tmp_path) as stand:
        stand.publish_base()
        stand.settings["WORKER_LEASE_TTL_S"] = "30"  # nobody is to be taken for dead here, however slow the machine
        yield stand


def test_worker_stopped_while_training_leaves_the_job_to_the_next_one(stand: Stand) -> None:
    """SIGTERM: ends in time with status 0, the trainer is gone, nothing is written, the next worker continues."""
    stand.settings["WORKER_LEASE_TTL_S"] = "600"
    job_id = stand.submit("wait-first")
    worker = stand.start_worker()
    pid = stand.wait_for_trainer(job_id)
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    assert not is_alive(pid)
    assert stand.kinds(job_id) == ["claim"]
    stand.start_worker()
    stand.wait_until_released(job_id)
    assert stand.kinds(job_id) == ["claim", "claim", "result"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_worker_stops_when_it_is_asked_to(stand: Stand, number: signal.Signals) -> None:
    """Both signals, and a second one is harmless."""
    worker = stand.start_worker()
    stand.wait_until(lambda: "Connected to redis" in stand.logs())
    worker.send_signal(number)
    worker.send_signal(number)
    assert worker.wait(timeout=60) == 0
    assert "worker stopped" in stand.logs()


def test_two_workers_share_the_jobs_and_do_each_once(stand: Stand) -> None:
    """However often the bell rings."""
    ids = [stand.submit("succeed") for _ in range(6)]
    for _ in range(2):
        stand.start_worker()
    for job_id in ids:
        stand.wait_until_released(job_id)
    for job_id in ids:
        assert stand.kinds(job_id) == ["claim", "result"]
        assert (len(stand.versions_of(job_id)), len(stand.releases_of(job_id))) == (1, 1)
    assert stand.all_entries_dense()


def test_log_of_the_worker_carries_the_request_id_of_the_call_that_brought_the_job(stand: Stand) -> None:
    """One id leads from a client's complaint through the server to the worker, however long ago the call was."""
    ids = {stand.submit("succeed", x_request_id=name): name for name in ("call-1", "call-2")}
    stand.start_worker()
    for job_id in ids:
        stand.wait_until_released(job_id)
    found = {}
    stand.wait_until(lambda: stand.logs().count('"event": "attempt ended"') == 2)
    for line in stand.logs().splitlines():
        if '"event": "attempt ended"' in line:
            entry = json.loads(line)
            found[entry["job_id"]] = entry["x_request_id"]
    assert found == ids


def test_busy_worker_leaves_messages_to_an_idle_one(stand: Stand) -> None:
    """A message that waits inside a busy worker would hold its job up for hours."""
    long_job = stand.submit("wait")
    stand.start_worker()
    stand.wait_for_trainer(long_job)
    short_job = stand.submit("succeed")
    doorbell = Doorbell(stand.redis_url)
    stand.wait_until(lambda: doorbell.queue_length() == 1)
    doorbell.close()
    stand.start_worker()
    stand.wait_until_released(short_job)
    assert stand.job(long_job).state is JobState.RUNNING


def test_waiting_jobs_have_one_message_each(stand: Stand) -> None:
    """Many sweeps over a long queue must not make it longer."""
    running = stand.submit("wait")
    stand.start_worker()
    stand.wait_for_trainer(running)
    waiting = [stand.submit("succeed", ring=False) for _ in range(5)]
    doorbell = Doorbell(stand.redis_url)
    stand.wait_until(lambda: doorbell.queue_length() == len(waiting))
    num_beats = stand.num_beats()
    stand.wait_until(lambda: stand.num_beats() > num_beats + 5)
    # One more: a sweep may have looked just before the submission that then rang by itself.
    assert doorbell.queue_length() <= len(waiting) + 1
    doorbell.close()
    stand.open_gate(running)
    for job_id in waiting:
        stand.wait_until_released(job_id)


def test_bad_data_fails_the_job_and_the_worker_goes_on(stand: Stand) -> None:
    """One team's broken file is nobody else's problem."""
    bad, good = stand.submit("refuse"), stand.submit("succeed")
    stand.start_worker()
    stand.wait_until_released(good)
    result = stand.job(bad).result
    assert result is not None
    assert (result.state, result.error_code) == (JobState.FAILED, "INVALID_DATA")


def test_worker_without_redis_starts_and_takes_jobs_when_it_is_there(stand: Stand) -> None:
    """In a compose project the broker may come up last."""
    job_id = stand.submit("succeed")
    stand.stop_redis()
    stand.start_worker()
    stand.wait_until(lambda: "Cannot connect to redis" in stand.logs())
    stand.restart_redis()
    stand.wait_until_released(job_id)


def test_health_tells_a_living_worker_from_none(stand: Stand) -> None:
    """What a container's health check runs."""
    environment = {**os.environ, "REDIS_URL": stand.redis_url}

    def health() -> int:
        command = [sys.executable, "-m", "worker.health"]
        return subprocess.run(command, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL).returncode

    assert health() == 1
    stand.start_worker()
    client = connect(stand.redis_url)
    stand.wait_until(lambda: bool(client.keys("polyhead:worker:*")))
    client.close()
    assert health() == 0
    stand.stop_redis()
    assert health() == 1


def test_worker_with_a_misspelt_setting_does_not_start() -> None:
    """A setting that nobody reads would be believed to work."""
    environment = {**os.environ, "WORKER_LEASE_TTL": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "worker"], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "WORKER_LEASE_TTL is no setting; did you mean WORKER_LEASE_TTL_S?" in done.stderr


def test_password_is_not_in_the_log(tmp_path: Path) -> None:
    """Logs travel further than secrets may."""
    with Stand(tmp_path, command=("-m", "worker")) as stand:
        stand.publish_base()
        stand.redis_url = stand.redis_url.replace("redis://", "redis://:hunter2@")
        stand.settings["WORKER_LOG_LEVEL"] = "DEBUG"
        stand.start_worker()
        stand.wait_until(lambda: "worker starts" in stand.logs() and "Connected to redis" in stand.logs())
        assert "hunter2" not in stand.logs()
