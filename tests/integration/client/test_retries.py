"""Calls that fail for a while, over a real socket: tried again by both clients, and only where that is safe."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

import polyhead
from tests.integration.client.driver import AsyncDriver, SyncDriver
from tests.integration.client.fake_service import FakeServer

Code = grpc.StatusCode
Driver = SyncDriver | AsyncDriver
SPEC = {"tasks": [{"name": "sentiment", "labels": ["negative", "positive"], "data": {"train": "a.csv"}}]}


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["sync", "async"])
def call(request: pytest.FixtureRequest, server: FakeServer) -> Iterator[Driver]:
    driver = request.param(server.target, timeout_s=60)
    yield driver
    driver.close()


@pytest.mark.parametrize("method", ["predict", "embed"])
def test_call_is_tried_again_until_it_is_answered(call: Driver, server: FakeServer, method: str) -> None:
    """A restart or a full queue in between is nobody's error."""
    server.inference.troubles.extend(
        [(Code.UNAVAILABLE, None), (Code.RESOURCE_EXHAUSTED, 0.01), (Code.CANCELLED, None)]
    )
    assert len(call(method, ["good"])) == 1
    assert server.inference.num_calls == 4


def test_trouble_that_lasts_is_told_after_the_last_retry(call: Driver, server: FakeServer) -> None:
    """Four tries, then the server's own words."""
    server.inference.troubles.extend([(Code.UNAVAILABLE, None)] * 9)
    with pytest.raises(polyhead.UnavailableError, match="in trouble"):
        call("predict", ["good"])
    assert server.inference.num_calls == 4


@pytest.mark.parametrize(
    "trouble",
    [(Code.INVALID_ARGUMENT, 0.01), (Code.INTERNAL, 0.01), (Code.RESOURCE_EXHAUSTED, None), (Code.ABORTED, None)],
    ids=lambda trouble: trouble[0].name,
)
def test_trouble_that_stays_is_not_tried_again(
    call: Driver, server: FakeServer, trouble: tuple[grpc.StatusCode, float | None]
) -> None:
    """A second try would fail as the first, and cost the server twice."""
    server.inference.troubles.append(trouble)
    with pytest.raises(polyhead.CallError, match="in trouble"):
        call("predict", ["good"])
    assert server.inference.num_calls == 1


def test_retry_that_would_miss_the_deadline_is_not_waited_for(call: Driver, server: FakeServer) -> None:
    """Who has ten seconds is told now that the server asks for a thousand."""
    server.inference.troubles.append((Code.RESOURCE_EXHAUSTED, 1000.0))
    with pytest.raises(polyhead.ResourceExhaustedError) as caught:
        call("predict", ["good"], timeout_s=10)
    assert (caught.value.retry_after_s, server.inference.num_calls) == (1000.0, 1)


@pytest.mark.parametrize("request_id", [None, "mine"])
def test_job_whose_answer_is_lost_is_asked_for_by_the_same_id(
    call: Driver, server: FakeServer, request_id: str | None
) -> None:
    """Otherwise a lost answer would train twice."""
    server.training.num_answers_to_lose = 2
    job = call("train_job", SPEC, request_id)
    ids = [request.request_id for request in server.training.requests]
    assert len(ids) == 3
    assert set(ids) == {job.id}
    assert request_id in (None, job.id)


def test_two_jobs_without_an_id_are_two_jobs(call: Driver) -> None:
    """The made-up id belongs to the call, not to the spec."""
    assert call("train_job", SPEC).id != call("train_job", SPEC).id


@pytest.mark.parametrize("kind", [SyncDriver, AsyncDriver])
def test_client_with_zero_retries_tries_once(server: FakeServer, kind: type[SyncDriver] | type[AsyncDriver]) -> None:
    """Who retries by own means must not get two of them multiplied."""
    driver = kind(server.target, retries=0)
    server.inference.troubles.append((Code.UNAVAILABLE, None))
    with pytest.raises(polyhead.UnavailableError):
        driver("predict", ["good"])
    assert server.inference.num_calls == 1
    driver.close()


@pytest.mark.parametrize(("request_id", "num_calls"), [(None, 1), ("mine", 2)])
def test_promotion_is_repeated_only_with_a_request_id(
    call: Driver, server: FakeServer, request_id: str | None, num_calls: int
) -> None:
    """Without one, a second try after a lost answer would append a second release."""
    server.models.num_promotions_to_fail = 1
    if request_id is None:
        with pytest.raises(polyhead.UnavailableError):
            call("promote", 2)
    else:
        assert call("promote", 2, request_id=request_id).stable == 2
    assert server.models.num_promotions == num_calls
