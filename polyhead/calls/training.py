"""Calls of the TrainingService: jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, overload

from polyhead import readers, requests, results
from polyhead.calls.connection import Connection
from polyhead.timeouts import check_optional_timeout
from polyhead.v1 import training_pb2


class TrainingCalls(Connection):
    """Jobs: submit, read, cancel, list, watch."""

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

    def plan_job(
        self, spec: Mapping[str, Any] | training_pb2.JobSpec, *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """Check a spec and queue nothing; what it comes to: rates by part, what is trained when, what never is.

        Empty where the server does not know the base model.
        """
        request = requests.train_request(spec, None, validate_only=True)
        return readers.read_plan(self._call(self._training.TrainJob, request, timeout_s))

    def get_job(self, job_id: str, *, timeout_s: float | None = None) -> results.Job:
        return readers.read_job(self._call(self._training.GetJob, requests.job_request(job_id), timeout_s))

    def cancel_job(self, job_id: str, *, timeout_s: float | None = None) -> results.Job:
        """End a job without a model: a queued one at once, a running one within a second or so.

        Returns it as it is then: CANCELLED, or RUNNING with `cancel_requested`. Repeating the call is safe.

        Raises:
            NotFoundError: if there is no such job.
            FailedPreconditionError: if it has succeeded or failed already.
        """
        return readers.read_job(self._call(self._training.CancelJob, requests.cancel_request(job_id), timeout_s))

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
        with self._lifetime.stream(self._training.WatchJob, request, check_optional_timeout(timeout_s)) as call:
            for message in call:
                yield readers.read_job(message)
