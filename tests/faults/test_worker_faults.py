"""Workers that are killed, stopped and cut off: every job is published exactly once, every log is dense."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.doorbell import QUEUE
from shared.redis_client import connect
from shared.store.jobs import JobState
from shared.store.releases import releases_log
from tests.processes import is_alive
from tests.workers.stand import Stand


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with Stand(tmp_path) as stand:
        stand.publish_base()
        yield stand


def assert_published_once(stand: Stand, job_id: str) -> None:
    assert stand.job(job_id).state is JobState.SUCCEEDED
    assert stand.kinds(job_id).count("result") == 1
    assert len(stand.versions_of(job_id)) == 1
    assert len(stand.releases_of(job_id)) == 1
    assert stand.all_entries_dense()


@pytest.mark.parametrize("fatal_key", ["versions/2.json", "releases/2.json"], ids=["result-version", "version-release"])
def test_worker_killed_between_two_records_publishes_exactly_once(stand: Stand, fatal_key: str) -> None:
    """kill -9 between result and version, or version and release: the next worker appends just what is missing."""
    job_id = stand.submit("succeed")
    worker = stand.start_worker(fatal_key)
    assert worker.wait() == -signal.SIGKILL
    assert stand.kinds(job_id) == ["claim", "result"]
    assert len(stand.versions_of(job_id)) == (1 if fatal_key.startswith("releases") else 0)
    assert stand.releases_of(job_id) == []
    stand.start_worker()
    stand.wait_until_released(job_id)
    assert_published_once(stand, job_id)
    assert len(stand.runs(job_id)) == 1


def test_worker_killed_while_the_gate_runs_again_publishes_exactly_once(stand: Stand) -> None:
    """kill -9 of the worker: its gate dies with it, the next worker judges again and releases once."""
    job_id = stand.submit("outdated")
    worker = stand.start_worker()
    stand.wait_until(lambda: len(stand.rematches(job_id)) == 1)
    worker.kill()
    stand.wait_until(lambda: not is_alive(stand.rematches(job_id)[0]))
    assert (len(stand.versions_of(job_id)), stand.releases_of(job_id)) == (1, [])
    stand.start_worker()
    stand.wait_until_released(job_id)
    assert_published_once(stand, job_id)
    assert releases_log(stand.store).entries()[-1].verdict == "passed"
    assert len(stand.runs(job_id)) == 1, "no rematch trains again"


def test_worker_killed_after_the_gate_ran_again_publishes_exactly_once(stand: Stand) -> None:
    """kill -9 with the new verdict in hand: nothing of it was written, so it is found anew."""
    job_id = stand.submit("outdated")
    stand.open_gate(job_id)
    worker = stand.start_worker("releases/2.json")
    assert worker.wait() == -signal.SIGKILL
    assert len(stand.rematches(job_id)) == 1
    stand.start_worker()
    stand.wait_until_released(job_id)
    assert_published_once(stand, job_id)
    assert len(stand.rematches(job_id)) == 2


def test_gate_that_runs_again_for_long_holds_up_neither_life_signs_nor_the_next_job(stand: Stand) -> None:
    """A rematch takes minutes on a big model; the worker must not be taken for dead, nor its releases be mixed up."""
    first = stand.submit("outdated")
    stand.start_worker()
    stand.wait_until(lambda: bool(stand.rematches(first)))
    num_beats = stand.num_beats()
    stand.wait_until(lambda: stand.num_beats() > num_beats + 5)
    second = stand.submit("succeed")
    stand.start_worker()
    stand.wait_until_released(second)
    stand.open_gate(first)
    stand.wait_until_released(first)
    for job_id in (first, second):
        assert_published_once(stand, job_id)


def test_worker_killed_before_its_result_is_recorded_is_replaced(stand: Stand) -> None:
    """The commit point is the result: without it the job is trained again, under a new claim."""
    job_id = stand.submit("succeed")
    worker = stand.start_worker(f"jobs/{job_id}/log/2.json")
    assert worker.wait() == -signal.SIGKILL
    stand.start_worker()
    stand.wait_until_released(job_id)
    assert stand.kinds(job_id) == ["claim", "claim", "result"]
    assert_published_once(stand, job_id)


def test_worker_stopped_past_its_lease_and_continued_publishes_exactly_once(stand: Stand) -> None:
    """SIGSTOP while training; another worker takes over and finishes; SIGCONT: the first stops and deletes nothing."""
    job_id = stand.submit("wait-first")
    first = stand.start_worker()
    pid = stand.wait_for_trainer(job_id)
    first.send_signal(signal.SIGSTOP)
    stand.start_worker()
    stand.wait_until_released(job_id)
    assert is_alive(pid)
    first.send_signal(signal.SIGCONT)
    stand.wait_until(lambda: not is_alive(pid))
    stand.wait_until(lambda: "trainer is stopped" in stand.logs())
    assert stand.kinds(job_id) == ["claim", "claim", "result"]
    assert_published_once(stand, job_id)
    next_job = stand.submit("succeed")
    stand.wait_until_released(next_job)
    assert_published_once(stand, next_job)


def test_worker_continued_with_a_result_in_hand_drops_it(stand: Stand) -> None:
    """The stopped worker's trainer finished meanwhile: its result comes after another worker's, and is not written."""
    job_id = stand.submit("wait-first")
    first = stand.start_worker()
    pid = stand.wait_for_trainer(job_id)
    first.send_signal(signal.SIGSTOP)
    stand.open_gate(job_id)
    stand.start_worker()
    stand.wait_until_released(job_id)
    first.send_signal(signal.SIGCONT)
    stand.wait_until(lambda: not is_alive(pid))
    stand.wait_until(lambda: any(words in stand.logs() for words in ("is dropped", "trainer is stopped")))
    result = stand.job(job_id).result
    assert result is not None
    assert result.artifact_id == f"{job_id}-2"
    assert_published_once(stand, job_id)


def test_worker_killed_while_training_is_replaced_and_its_trainer_dies(stand: Stand) -> None:
    """kill -9 of the worker: the trainer goes with it, the lease runs out, the job counts no failure."""
    job_id = stand.submit("wait-first")
    worker = stand.start_worker()
    pid = stand.wait_for_trainer(job_id)
    worker.kill()
    stand.wait_until(lambda: not is_alive(pid))
    stand.start_worker()
    stand.wait_until_released(job_id)
    assert stand.kinds(job_id) == ["claim", "claim", "result"]
    assert_published_once(stand, job_id)


def test_trainer_killed_is_tried_again_and_counted(stand: Stand) -> None:
    """kill -9 of the trainer alone: a recorded failure, then the next attempt."""
    job_id = stand.submit("wait-first")
    stand.start_worker()
    os.kill(stand.wait_for_trainer(job_id), signal.SIGKILL)
    stand.wait_until_released(job_id)
    assert stand.kinds(job_id) == ["claim", "failure", "claim", "result"]
    assert_published_once(stand, job_id)


def test_trainer_that_always_dies_fails_the_job(stand: Stand) -> None:
    """Three deaths are enough; the job does not go round for ever, and the next one gets its turn."""
    job_id = stand.submit("die")
    stand.start_worker()
    stand.wait_until(lambda: stand.job(job_id).is_finished)
    assert stand.job(job_id).state is JobState.FAILED
    assert len(stand.runs(job_id)) == 3
    next_job = stand.submit("succeed")
    stand.wait_until_released(next_job)


def test_flushed_redis_does_not_lose_a_queued_job(stand: Stand) -> None:
    """The store knows the job; a caretaker rings again."""
    job_id = stand.submit("succeed")
    client = connect(stand.redis_url)
    client.flushall()
    client.close()
    stand.start_worker()
    stand.wait_until_released(job_id)
    assert_published_once(stand, job_id)


def test_flushed_redis_does_not_disturb_a_running_job(stand: Stand) -> None:
    """The lease comes back before a caretaker believes that nobody works: one claim, with two workers around."""
    stand.settings["WORKER_LEASE_TTL_S"] = "6"
    job_id = stand.submit("wait")
    stand.start_worker()
    stand.start_worker()
    stand.wait_for_trainer(job_id)
    client = connect(stand.redis_url)
    client.flushall()
    stand.wait_until(lambda: bool(client.exists(f"polyhead:lease:{job_id}")))
    client.close()
    stand.open_gate(job_id)
    stand.wait_until_released(job_id)
    assert stand.kinds(job_id) == ["claim", "result"]
    assert_published_once(stand, job_id)


def test_full_redis_neither_disturbs_a_running_job_nor_loses_a_queued_one(stand: Stand) -> None:
    """No room for a message, a lease or progress: what runs goes on, what waits runs when there is room again."""
    running = stand.submit("wait")
    stand.start_worker()
    stand.wait_for_trainer(running)
    client = connect(stand.redis_url)
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("room", "none")
    waiting = stand.submit("succeed", ring=False)
    time.sleep(2 * float(stand.settings["WORKER_LEASE_TTL_S"]))
    stand.open_gate(running)
    stand.wait_until_released(running)
    assert stand.kinds(running) == ["claim", "result"]
    assert stand.kinds(waiting) == []
    client.config_set("maxmemory", "0")
    client.close()
    stand.wait_until_released(waiting)
    assert_published_once(stand, waiting)


def test_redis_restarted_while_training_costs_nothing(stand: Stand) -> None:
    """Gone and back within the lease's time, and empty: the same attempt ends, and the worker takes the next job."""
    stand.settings["WORKER_LEASE_TTL_S"] = "30"
    job_id = stand.submit("wait")
    stand.start_worker()
    stand.wait_for_trainer(job_id)
    stand.stop_redis()
    stand.wait_until(lambda: "caretaking does not work now" in stand.logs())
    stand.restart_redis()
    stand.wait_until(lambda: "caretaking works again" in stand.logs())
    stand.open_gate(job_id)
    stand.wait_until_released(job_id)
    assert stand.kinds(job_id) == ["claim", "result"]
    next_job = stand.submit("succeed")
    stand.wait_until_released(next_job)
    assert_published_once(stand, next_job)


def test_redis_away_for_longer_than_the_lease_stops_the_trainer_until_it_is_back(stand: Stand) -> None:
    """Nobody may train without a lease that others can see; the job goes on when Redis does."""
    job_id = stand.submit("wait-first")
    stand.start_worker()
    pid = stand.wait_for_trainer(job_id)
    stand.stop_redis()
    stand.wait_until(lambda: not is_alive(pid))
    assert stand.kinds(job_id) == ["claim"]
    stand.restart_redis()
    stand.wait_until_released(job_id)
    assert stand.kinds(job_id) == ["claim", "claim", "result"]
    assert_published_once(stand, job_id)


def test_redis_that_answers_nothing_does_not_hold_up_a_stop(stand: Stand) -> None:
    """A frozen broker keeps connections open: the worker must end all the same, and take its trainer with it."""
    job_id = stand.submit("wait")
    worker = stand.start_worker()
    pid = stand.wait_for_trainer(job_id)
    stand.freeze_redis()
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    assert not is_alive(pid)


def test_message_left_over_by_a_dead_worker_is_harmless(stand: Stand) -> None:
    """Two messages for one job and two workers: one claim, one result."""
    stand.settings["WORKER_LEASE_TTL_S"] = "30"
    job_id = stand.submit("succeed")
    client = connect(stand.redis_url)
    client.rpush(QUEUE, str(client.lindex(QUEUE, 0)))
    client.close()
    stand.start_worker()
    stand.start_worker()
    stand.wait_until_released(job_id)
    stand.wait_until(lambda: stand.logs().count(" received") >= 2)
    next_job = stand.submit("succeed")
    stand.wait_until_released(next_job)
    assert stand.kinds(job_id) == ["claim", "result"]
    assert_published_once(stand, job_id)
