"""Both clients against a real gRPC server: same questions, same answers, same errors."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import polyhead
from polyhead import JobState
from tests.integration.client.driver import AsyncDriver, SyncDriver
from tests.integration.client.fake_service import METRICS, SERVING, FakeServer

NOT_SERVING = 2
Driver = SyncDriver | AsyncDriver
SPEC = {"tasks": [{"name": "sentiment", "labels": ["negative", "positive"], "data": {"train": "a.csv"}}]}


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["sync", "async"])
def call(request: pytest.FixtureRequest, server: FakeServer) -> Iterator[Driver]:
    driver = request.param(server.target, retries=0)
    yield driver
    driver.close()


def test_predict_returns_typed_answers_in_request_order(call: Driver, server: FakeServer) -> None:
    """The first thing anyone does with the client."""
    answer = call("predict", ["a good day", "rain"], tasks=["sentiment"], include_embedding=True)
    assert [result["sentiment"].label for result in answer] == ["positive", "negative"]
    assert answer[0]["sentiment"].scores == {"negative": 0.25, "positive": 0.75}
    assert answer[0].embedding == array("f", [0.6, 0.8, 0.0])
    assert (answer.model_version, answer.encoder_id, answer.timing.total_ms) == (3, "enc", 3.5)
    assert list(server.inference.last_predict.tasks) == ["sentiment"]


def test_predict_of_one_text_is_one_sentence(call: Driver) -> None:
    """A plain string is a sequence of characters too; it must not become one request a letter."""
    answer = call("predict", "good")
    assert len(answer) == 1
    assert answer[0].embedding is None


def test_embed_sends_its_options_and_returns_float32(call: Driver, server: FakeServer) -> None:
    """`normalize` is sent even when false: on the wire, absent means true."""
    answer = call("embed", ["good"], normalize=False, dimensions=3, truncation="refuse", expect_encoder_id="enc")
    assert answer[0].values == array("f", [0.6, 0.8, 0.0])
    sent = server.inference.last_embed
    assert sent.HasField("normalize")
    assert (sent.normalize, sent.dimensions, sent.truncation, sent.expect_encoder_id) == (False, 3, 2, "enc")


def test_train_job_sends_spec_and_request_id(call: Driver, server: FakeServer) -> None:
    """The job comes back at once, with the spec as the server understood it."""
    job = call("train_job", SPEC, request_id="r1")
    assert (job.id, job.state, job.attempt, job.version) == ("r1", JobState.QUEUED, 0, 0)
    assert job.submitted_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert job.spec["tasks"][0]["name"] == "sentiment"
    assert server.training.requests[-1].spec.tasks[0].data.train == "a.csv"


def test_train_job_validate_only_returns_nothing(call: Driver, server: FakeServer) -> None:
    """A dry run has no job."""
    assert call("train_job", SPEC, validate_only=True) is None
    assert server.training.requests[-1].validate_only


def test_get_job_that_succeeded_has_metrics_and_version(call: Driver) -> None:
    """Metrics come back as plain data."""
    job = call("get_job", "job7")
    assert (job.state, job.version, job.is_finished, job.error) == (JobState.SUCCEEDED, 4, True, None)
    assert job.metrics == METRICS


def test_cancel_job_returns_the_job_as_it_is_then(call: Driver) -> None:
    """A queued one has ended; a running one says that it was asked to; a finished one cannot be called back."""
    assert call("cancel_job", "job1").state is JobState.CANCELLED
    running = call("cancel_job", "running1")
    assert (running.state, running.cancel_requested) == (JobState.RUNNING, True)
    with pytest.raises(polyhead.FailedPreconditionError):
        call("cancel_job", "done1")


def test_list_jobs_beyond_one_page_follows_the_tokens(call: Driver) -> None:
    """The server gives at most 500 in one answer."""
    assert [job.id for job in call("list_jobs", 600)] == [f"job{number}" for number in range(600)]
    assert len(call("list_jobs", 501)) == 501
    assert call("list_jobs", 0) == []


def test_watch_job_yields_each_change_until_the_end(call: Driver) -> None:
    """Progress arrives as values, and the stream ends by itself."""
    queued, running, ended = call("watch_job", "job1")
    assert (queued.state, queued.progress) == (JobState.QUEUED, None)
    assert running.progress.loss_by_task == {"sentiment": 0.7}
    assert (running.progress.step, running.progress.steps) == (5, 10)
    assert (ended.state, ended.version) == (JobState.SUCCEEDED, 4)


def test_watch_job_dropped_early_cancels_the_call(call: Driver, server: FakeServer) -> None:
    """A server must not keep streaming to somebody who left the loop."""
    assert call.first("watch_job", "endless").state is JobState.QUEUED
    assert server.training.watch_was_dropped.wait(10)


def test_call_over_its_own_timeout_ends_with_deadline_exceeded(call: Driver) -> None:
    """A call's own timeout wins over the client's."""
    with pytest.raises(polyhead.DeadlineExceededError):
        call("predict", "slow", timeout_s=0.2)


def test_server_info_and_versions_are_typed(call: Driver) -> None:
    """What is served, and what was."""
    info = call("server_info")
    assert info.model.tasks[0].labels == ("negative", "positive")
    assert (info.limits.max_sentences_per_request, info.refused[0].reason) == (8, "hash")
    versions = call("list_versions")
    assert [version.number for version in versions] == [3, 2, 1]
    assert (versions[0].is_stable, versions[0].created_at) == (True, None)
    assert len(call("list_versions", 2)) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("INVALID_ARGUMENT", polyhead.InvalidArgumentError),
        ("NOT_FOUND", polyhead.NotFoundError),
        ("ALREADY_EXISTS", polyhead.AlreadyExistsError),
        ("FAILED_PRECONDITION", polyhead.FailedPreconditionError),
        ("RESOURCE_EXHAUSTED", polyhead.ResourceExhaustedError),
        ("DEADLINE_EXCEEDED", polyhead.DeadlineExceededError),
        ("UNAVAILABLE", polyhead.UnavailableError),
        ("UNIMPLEMENTED", polyhead.UnimplementedError),
        ("CANCELLED", polyhead.CallCancelledError),
        ("INTERNAL", polyhead.InternalError),
    ],
)
def test_failed_call_raises_the_error_of_its_status(call: Driver, status: str, kind: type[Exception]) -> None:
    """Callers catch classes, not numbers."""
    with pytest.raises(kind, match=f"refused with {status}") as caught:
        call("predict", status)
    assert isinstance(caught.value, polyhead.CallError)
    assert caught.value.status == status


def test_bad_request_details_become_violations(call: Driver) -> None:
    """The server names each bad field; the caller must get at them."""
    with pytest.raises(polyhead.InvalidArgumentError) as caught:
        call("embed", "INVALID_ARGUMENT")
    assert caught.value.violations == (polyhead.FieldViolation("sentences[0]", "is bad"),)


def test_retry_info_becomes_a_pause(call: Driver) -> None:
    """A full queue says when to come back."""
    with pytest.raises(polyhead.ResourceExhaustedError) as caught:
        call("predict", "RESOURCE_EXHAUSTED")
    assert caught.value.retry_after_s == 1.5


def test_error_carries_the_id_of_the_servers_log(call: Driver) -> None:
    """Whoever asks for help can say which call it was."""
    with pytest.raises(polyhead.NotFoundError) as caught:
        call("get_job", "missing")
    assert caught.value.request_id == "made-by-the-server"


def test_watch_of_a_missing_job_raises_not_found(call: Driver) -> None:
    """Streams fail with the same errors as plain calls."""
    with pytest.raises(polyhead.NotFoundError, match="missing"):
        call("watch_job", "missing")


def test_call_to_a_dead_target_names_it() -> None:
    """The commonest mistake is the wrong address; the message must show it."""
    for kind in (SyncDriver, AsyncDriver):
        driver = kind("127.0.0.1:1")
        with pytest.raises(polyhead.UnavailableError, match=r"127\.0\.0\.1:1"):
            driver("server_info")
        driver.close()


@pytest.mark.parametrize("kind", [SyncDriver, AsyncDriver])
def test_message_over_the_limit_is_refused_by_the_client(
    server: FakeServer, kind: type[SyncDriver] | type[AsyncDriver]
) -> None:
    """The option reaches the channel."""
    driver = kind(server.target, max_message_bytes=1000)
    with pytest.raises(polyhead.ResourceExhaustedError):
        driver("predict", "x" * 2000)
    driver.close()


def test_call_with_an_infinite_timeout_is_answered(call: Driver, server: FakeServer) -> None:
    """gRPC knows no inf: it takes it for a deadline that has passed."""
    assert len(call("predict", ["good"] * 100, timeout_s=float("inf"))) == 100
    assert call("watch_job", "job1", timeout_s=float("inf"))[-1].version == 4
    call("wait_until_ready", float("inf"))


def test_wait_until_ready_returns_when_the_service_turns_to_serving(call: Driver, server: FakeServer) -> None:
    """A stack that starts is waited for by its health, not by sleeping."""
    server.set_health("", SERVING)
    call("wait_until_ready", 10)
    server.set_health(polyhead.INFERENCE_SERVICE, NOT_SERVING)
    with pytest.raises(polyhead.UnavailableError, match="NOT_SERVING"):
        call("wait_until_ready", 0.3, polyhead.INFERENCE_SERVICE)
    flip = threading.Timer(0.2, server.set_health, [polyhead.INFERENCE_SERVICE, SERVING])
    flip.start()
    call("wait_until_ready", 10, polyhead.INFERENCE_SERVICE)
    flip.join()


def test_wait_until_ready_with_nobody_there_ends_in_time() -> None:
    """A server that never comes must not be waited for without end."""
    for kind in (SyncDriver, AsyncDriver):
        driver = kind("127.0.0.1:1")
        with pytest.raises(polyhead.UnavailableError, match="nobody answers"):
            driver("wait_until_ready", 0.3)
        driver.close()
