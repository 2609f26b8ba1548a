"""The server's view of jobs while Redis is not what it should be."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from server.jobs.book import JobBook
from shared.doorbell import Doorbell
from shared.progress import ProgressBoard
from shared.spec import parse_spec
from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry, JobState, JobStore


@pytest.fixture
def silent_redis() -> Iterator[socket.socket]:
    """Takes connections and never answers, as a Redis whose machine hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        listener.settimeout(0.2)
        yield listener


def count_connections(listener: socket.socket) -> int:
    found = []
    try:
        while True:
            found.append(listener.accept()[0])
    except TimeoutError:
        return len(found)
    finally:
        for connection in found:
            connection.close()


def test_redis_that_hangs_is_asked_for_progress_once_in_a_while(
    store: FolderStore, silent_redis: socket.socket
) -> None:
    """Each question takes a second of a thread: those who watch jobs must not use up all threads."""
    jobs = JobStore(store)
    spec = parse_spec({"tasks": [{"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}]})
    job, _ = jobs.submit("r1", spec)
    jobs.log(job.job_id).append(lambda _: JobEntry(kind="claim"))
    url = f"redis://127.0.0.1:{silent_redis.getsockname()[1]}/0"
    book = JobBook(store, Doorbell(url), ProgressBoard(url))
    views = [book.get_blocking(job.job_id) for _ in range(20)]
    assert {(view.job.state, view.progress) for view in views} == {(JobState.RUNNING, None)}
    assert count_connections(silent_redis) == 1
