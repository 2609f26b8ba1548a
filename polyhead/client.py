"""The synchronous client. Owns one channel and turns failed calls into polyhead.errors.

What is asked and how answers are read is in polyhead.requests and polyhead.readers, which polyhead.aio shares.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast, overload

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from polyhead import readers, requests, results
from polyhead.channel import (
    DEFAULT_KEEPALIVE_S,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT_S,
    ChannelSettings,
)
from polyhead.errors import CallError
from polyhead.statuses import HEALTH_PAUSE_S, is_passing, not_ready_error, translated
from polyhead.v1 import inference_pb2_grpc, models_pb2, models_pb2_grpc, training_pb2, training_pb2_grpc

R = TypeVar("R")


class Client:
    """A connection to one Polyhead server. Thread-safe; connects on the first call; close it or use `with`.

    Every call ends within `timeout_s` (its own argument, else the client's), except `watch_job`, which lasts as long
    as the job. All calls raise the errors of `polyhead.errors`.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        keepalive_s: float = DEFAULT_KEEPALIVE_S,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.target = target
        self._timeout_s = timeout_s
        self._channel = ChannelSettings(target, max_message_bytes, keepalive_s, credentials).open()
        self._inference = inference_pb2_grpc.InferenceServiceStub(self._channel)
        self._training = training_pb2_grpc.TrainingServiceStub(self._channel)
        self._models = models_pb2_grpc.ModelServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; calls still open are cancelled."""
        self._channel.close()

    def predict(
        self,
        sentences: str | Iterable[str],
        *,
        tasks: Iterable[str] = (),
        include_embedding: bool = False,
        expect_encoder_id: str = "",
        truncation: requests.Truncation = "truncate",
        timeout_s: float | None = None,
    ) -> results.PredictResult:
        """Classify sentences with the named tasks, or with all that the model has."""
        request = requests.predict_request(sentences, tasks, include_embedding, expect_encoder_id, truncation)
        return readers.read_predictions(self._call(self._inference.Predict, request, timeout_s))

    def embed(
        self,
        sentences: str | Iterable[str],
        *,
        normalize: bool = True,
        dimensions: int = 0,
        expect_encoder_id: str = "",
        truncation: requests.Truncation = "truncate",
        timeout_s: float | None = None,
    ) -> results.EmbedResult:
        """Embed sentences. `dimensions` keeps the first so many values (0: all) and normalises again."""
        request = requests.embed_request(sentences, normalize, dimensions, expect_encoder_id, truncation)
        return readers.read_embeddings(self._call(self._inference.Embed, request, timeout_s))

    @overload
    def train_job(
        self,
        spec: Mapping[str, Any] | training_pb2.JobSpec,
        request_id: str | None = None,
        validate_only: Literal[False] = False,
        *,
        timeout_s: float | None = None,
    ) -> results.Job: ...

    @overload
    def train_job(
        self,
        spec: Mapping[str, Any] | training_pb2.JobSpec,
        request_id: str | None = None,
        validate_only: bool = ...,
        *,
        timeout_s: float | None = None,
    ) -> results.Job | None: ...

    def train_job(
        self,
        spec: Mapping[str, Any] | training_pb2.JobSpec,
        request_id: str | None = None,
        validate_only: bool = False,
        *,
        timeout_s: float | None = None,
    ) -> results.Job | None:
        """Submit a job; it is accepted durably before this returns. With a `request_id` a repeated call is safe.

        `validate_only` checks the spec, queues nothing and returns None.
        """
        request = requests.train_request(spec, request_id, validate_only)
        return readers.read_submitted(self._call(self._training.TrainJob, request, timeout_s))

    def get_job(self, job_id: str, *, timeout_s: float | None = None) -> results.Job:
        return readers.read_job(self._call(self._training.GetJob, requests.job_request(job_id), timeout_s))

    def list_jobs(self, limit: int = 50, *, timeout_s: float | None = None) -> list[results.Job]:
        """Jobs, newest first."""
        pages = requests.job_pages(limit)
        while not pages.is_full:
            request = training_pb2.ListJobsRequest(**pages.next_page())
            pages.add(self._call(self._training.ListJobs, request, timeout_s))
        return [readers.read_job(job) for job in pages.items]

    def watch_job(self, job_id: str, *, timeout_s: float | None = None) -> Iterator[results.Job]:
        """The job now and after every change, until it has finished and, if it succeeded, is published."""
        request = requests.watch_request(job_id)
        # grpc's stubs hide that a stream of responses is also a call that can be cancelled.
        call = cast(Any, self._training.WatchJob(request, timeout=timeout_s))
        try:
            with translated(self.target, timeout_s):
                for message in call:
                    yield readers.read_job(message)
        finally:
            call.cancel()

    def server_info(self, *, timeout_s: float | None = None) -> results.ServerInfo:
        request = models_pb2.GetServerInfoRequest()
        return readers.read_server_info(self._call(self._models.GetServerInfo, request, timeout_s))

    def list_versions(self, limit: int = 50, *, timeout_s: float | None = None) -> list[results.Version]:
        """Published versions, newest first."""
        pages = requests.version_pages(limit)
        while not pages.is_full:
            request = models_pb2.ListVersionsRequest(**pages.next_page())
            pages.add(self._call(self._models.ListVersions, request, timeout_s))
        return [readers.read_version(version) for version in pages.items]

    def wait_until_ready(self, timeout_s: float = 60.0, service: str = "") -> None:
        """Return once the server's health says SERVING; `service` names one, such as INFERENCE_SERVICE.

        Raises:
            UnavailableError: if that takes longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        last = "nobody answers"
        while (left_s := deadline - time.monotonic()) > 0:
            request = health_pb2.HealthCheckRequest(service=service)
            call = cast(Any, self._health.Watch(request, timeout=left_s, wait_for_ready=True))
            try:
                with translated(self.target):
                    for answer in call:
                        if answer.status == health_pb2.HealthCheckResponse.SERVING:
                            return
                        last = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            except CallError as failed:
                if not is_passing(failed):
                    raise
            finally:
                call.cancel()
            time.sleep(min(HEALTH_PAUSE_S, max(0.0, deadline - time.monotonic())))
        raise not_ready_error(self.target, service, timeout_s, last)

    def _call(self, method: Callable[..., R], request: object, timeout_s: float | None) -> R:
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        with translated(self.target, timeout_s):
            return method(request, timeout=timeout_s)
