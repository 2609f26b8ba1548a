"""The doorbell: one message a job, however often it rings, and none lost for good."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from shared.doorbell import KEY_TTL_S, LOST_S, QUEUE, Doorbell
from shared.errors import UnavailableError
from shared.progress import JobProgress, ProgressBoard
from shared.redis_client import connect
from tests.processes import free_port
from tests.workers.stand import Stand

KEY = "polyhead:doorbell:job"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with Stand(tmp_path_factory.mktemp("stand")) as stand:
        yield stand


@pytest.fixture
def client(stand: Stand) -> Iterator[redis.Redis]:
    client = connect(stand.redis_url)
    yield client
    client.flushall()
    client.close()


@pytest.fixture
def doorbell(stand: Stand) -> Iterator[Doorbell]:
    doorbell = Doorbell(stand.redis_url)
    yield doorbell
    doorbell.close()


def test_ringing_twice_queues_one_message(doorbell: Doorbell, client: redis.Redis) -> None:
    """Sweeps ring every few seconds; the queue must not grow by it."""
    assert doorbell.ring("job")
    assert not doorbell.ring("job")
    assert doorbell.queue_length() == 1


def test_job_received_may_be_rung_again(doorbell: Doorbell, client: redis.Redis) -> None:
    """From receipt on the message is gone, so a later need must be able to make a new one."""
    doorbell.ring("job")
    doorbell.received("job")
    assert doorbell.ring("job")


def test_key_outlives_a_queue_that_moves_and_runs_out_with_an_empty_one(
    doorbell: Doorbell, client: redis.Redis
) -> None:
    """A long queue must not double its messages; a lost message must not silence its job."""
    doorbell.ring("job")
    doorbell.tend(["job"])
    assert client.ttl(KEY) > KEY_TTL_S - 60
    client.delete(QUEUE)
    doorbell.tend(["job", "another"])
    assert 0 < int(client.ttl(KEY)) <= LOST_S
    doorbell.ring("another")
    doorbell.tend(["job"])
    assert client.ttl(KEY) > KEY_TTL_S - 60


def test_redis_away_is_told_with_its_address_and_without_its_password() -> None:
    """The server answers UNAVAILABLE with this message."""
    port = free_port()
    doorbell = Doorbell(f"redis://:hunter2@127.0.0.1:{port}/0")
    for attempt in (doorbell.ping, lambda: doorbell.ring("job")):
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}/0 does not answer") as caught:
            attempt()
        assert "hunter2" not in str(caught.value)
    doorbell.close()


def test_redis_that_answers_nothing_is_given_up(stand: Stand, doorbell: Doorbell) -> None:
    """A frozen broker takes connections and is silent: a caller must not hang with it."""
    doorbell.ping()
    stand.freeze_redis()
    try:
        with pytest.raises(UnavailableError, match="does not answer"):
            doorbell.ping()
    finally:
        stand.thaw_redis()
    doorbell.ping()


def test_progress_written_is_read(stand: Stand, client: redis.Redis) -> None:
    """Server and worker share this shape; a newer worker's extra fields do not matter, nonsense is no progress."""
    board = ProgressBoard(stand.redis_url)
    assert board.read("job") is None
    progress = JobProgress(claim=3, stage="training", step=5, steps=9, loss_by_task={"mood": 0.25})
    board.write("job", progress)
    assert board.read("job") == progress
    client.set("polyhead:progress:job", '{"claim": 1, "stage": "training", "new": 1}')
    assert board.read("job") == JobProgress(claim=1, stage="training")
    client.set("polyhead:progress:job", '{"stage": 7}')
    assert board.read("job") is None
    board.close()
