"""A deaf consumer is noticed, and a busy or healthy one is not taken for deaf."""

from __future__ import annotations

from pathlib import Path

from shared.doorbell import QUEUE, Doorbell
from shared.redis_client import connect
from tests.workers.stand import Stand
from worker.hearing import Hearing


def test_deafness_is_waiting_messages_and_an_idle_worker(tmp_path: Path) -> None:
    """A worker that is alive and takes nothing must end, so that somebody starts it again; all others must not."""
    gave_up: list[bool] = []
    idle_s = [100.0]
    with Stand(tmp_path) as stand:
        doorbell, client = Doorbell(stand.redis_url), connect(stand.redis_url)
        hearing = Hearing(doorbell, lambda: idle_s[0], lambda: gave_up.append(True), deaf_after_s=0.0)
        hearing.check()
        assert not gave_up, "no message waits"
        doorbell.ring("job")
        idle_s[0] = 0.0
        hearing.check()
        hearing.check()
        assert not gave_up, "the worker is busy"
        client.delete(QUEUE)
        hearing.check()
        client.rpush(QUEUE, "message")
        idle_s[0] = 100.0
        hearing.check()
        assert not gave_up, "the message has only just come"
        hearing.check()
        assert gave_up == [True]
        doorbell.close()
        client.close()
