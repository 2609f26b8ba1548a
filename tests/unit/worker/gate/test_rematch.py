"""A rematch's child process: its verdict, its failures, its turn among workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import redis

from shared.redis_client import connect
from tests.processes import free_port
from worker.gate.rematch import MAX_FAILURES, Rematch, RematchInput
from worker.gate.verdict import compare, conclude
from worker.supervision.lease import LeaseOffice
from worker.supervision.stop_signal import StopSignal

WORK = RematchInput(store_url="s", data_roots=("d",), threads=1, device="cpu")
VERDICT = conclude({"mood": compare("macro_f1", 0.8, 0.9, 0.01, 50)}, (), may_drop=True, champion=2, judged_against=3)
#: Answers for the job that it was asked about, and for no other.
ANSWERS = f"""
import json, sys
assert json.load(sys.stdin)["job_id"] == "job7"
print({VERDICT.model_dump_json()!r})
"""
FAILS = "import sys; print('mood.csv: no such file', file=sys.stderr); sys.exit(1)"


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    client = connect(valkey_url)
    yield client
    client.delete("polyhead:lease:gate-job7")
    client.close()


def rematch(client: redis.Redis, code: str, stop: StopSignal | None = None) -> Rematch:
    return Rematch(WORK, LeaseOffice(client, "redis://test", 30.0), stop or StopSignal(), [sys.executable, "-c", code])


def test_verdict_of_the_process_is_handed_on(client: redis.Redis) -> None:
    """And the turn is given back."""
    assert rematch(client, ANSWERS).judge("job7") == VERDICT
    assert not client.exists("polyhead:lease:gate-job7")


def test_without_redis_it_is_judged_all_the_same() -> None:
    """A turn only saves work; the releases' log decides."""
    nowhere = connect(f"redis://127.0.0.1:{free_port()}/0")
    assert rematch(nowhere, ANSWERS).judge("job7") == VERDICT


def test_another_workers_turn_is_waited_for(client: redis.Redis) -> None:
    """Two processes would load two models each, for the same answer."""
    client.set("polyhead:lease:gate-job7", "somebody")
    assert rematch(client, ANSWERS).judge("job7") is None


def test_process_that_fails_again_and_again_ends_in_not_judged_and_not_released(client: redis.Redis) -> None:
    """The job must be settled in the end, and the reason be the one that the process gave."""
    judge = rematch(client, FAILS).judge
    assert [judge("job7") for _ in range(MAX_FAILURES - 1)] == [None] * (MAX_FAILURES - 1)
    last = judge("job7")
    assert last is not None
    assert (last.outcome, last.may_release) == ("not judged", False)
    assert "mood.csv: no such file" in last.reason


def test_stop_ends_the_process_and_judges_nothing(client: redis.Redis) -> None:
    """A worker that is asked to stop does not wait for a gate."""
    stop = StopSignal()
    stop.request()
    assert rematch(client, "import time; time.sleep(600)", stop).judge("job7") is None
