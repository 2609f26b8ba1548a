"""TrainingService: jobs are accepted here and run elsewhere."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import grpc

from polyhead.specs import message_to_spec, to_struct
from polyhead.v1 import training_pb2, training_pb2_grpc
from server.jobs.base_shape import BaseShapes
from server.jobs.book import JobBook, JobView
from server.rpc import uploads
from server.rpc.jobs import job_message
from server.rpc.pages import page
from server.rpc.request_ids import current_request_id
from shared.errors import InvalidInputError, Violation
from shared.spec import JobSpec, parse_spec
from shared.store.datasets import DatasetStore

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")

MAX_REQUEST_ID_LENGTH = 128
#: Seconds between two looks at a watched job: a person sees it as live, and a look costs two small file reads.
WATCH_INTERVAL_S = 0.25


class TrainingServicer(training_pb2_grpc.TrainingServiceServicer):
    """Store and queue are asked off the event loop, in the executor given here."""

    def __init__(
        self, book: JobBook, shapes: BaseShapes, datasets: DatasetStore, max_upload_bytes: int, executor: Executor
    ) -> None:
        self._book = book
        self._shapes = shapes
        self._datasets = datasets
        self._max_upload_bytes = max_upload_bytes
        self._executor = executor

    async def TrainJob(self, request: training_pb2.TrainJobRequest, context: Context) -> training_pb2.TrainJobResponse:
        if len(request.request_id) > MAX_REQUEST_ID_LENGTH:
            hint = f"has {len(request.request_id)} characters; use at most {MAX_REQUEST_ID_LENGTH}"
            raise InvalidInputError(f"request_id {hint}", (Violation("request_id", hint),))
        body = message_to_spec(request.spec)
        spec = checked_spec(body, await self._off_loop(lambda: self._lacking_blocking(body)))
        if request.validate_only:
            plan = await self._off_loop(lambda: self._shapes.plan_blocking(spec))
            return training_pb2.TrainJobResponse(plan=to_struct(plan) if plan else None)
        request_id = request.request_id or uuid.uuid4().hex
        x_request_id = current_request_id()
        view = await self._off_loop(lambda: self._book.submit_blocking(request_id, spec, x_request_id))
        return training_pb2.TrainJobResponse(job=job_message(view))

    def _lacking_blocking(self, body: Mapping[str, Any]) -> list[Violation]:
        """What the store does not have or cannot give to this job."""
        return [
            *uploads.missing_blocking(self._datasets, body),
            *self._book.base_violations_blocking(body),
            *self._shapes.violations_blocking(body),
        ]

    async def GetJob(self, request: training_pb2.GetJobRequest, context: Context) -> training_pb2.Job:
        return job_message(await self._get(request.job_id))

    async def CancelJob(self, request: training_pb2.CancelJobRequest, context: Context) -> training_pb2.Job:
        return job_message(await self._off_loop(lambda: self._book.cancel_blocking(request.job_id)))

    async def ListJobs(self, request: training_pb2.ListJobsRequest, context: Context) -> training_pb2.ListJobsResponse:
        ids = await self._off_loop(self._book.ids_by_age_blocking)
        numbers, token = page(len(ids), request.page_size, request.page_token)
        found = [await self._off_loop(partial(self._book.find_blocking, ids[number - 1])) for number in numbers]
        return training_pb2.ListJobsResponse(jobs=[job_message(view) for view in found if view], next_page_token=token)

    async def WatchJob(
        self, request: training_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[training_pb2.Job]:
        previous = None
        while True:
            view = await self._get(request.job_id)
            message = job_message(view)
            if message != previous:
                yield message
                previous = message
            if view.is_settled:
                return
            await asyncio.sleep(WATCH_INTERVAL_S)

    async def UploadDataset(
        self, requests: AsyncIterator[training_pb2.UploadDatasetRequest], context: Context
    ) -> training_pb2.Dataset:
        record = await uploads.receive(requests, self._datasets, self._max_upload_bytes, self._off_loop)
        return uploads.dataset_message(record)

    async def GetDataset(self, request: training_pb2.GetDatasetRequest, context: Context) -> training_pb2.Dataset:
        return await self._off_loop(lambda: uploads.describe_blocking(self._datasets, request.sha256))

    async def ListDatasets(
        self, request: training_pb2.ListDatasetsRequest, context: Context
    ) -> training_pb2.ListDatasetsResponse:
        records = await self._off_loop(self._datasets.records)
        numbers, token = page(len(records), request.page_size, request.page_token)
        return training_pb2.ListDatasetsResponse(
            datasets=[uploads.dataset_message(records[number - 1]) for number in numbers], next_page_token=token
        )

    async def _get(self, job_id: str) -> JobView:
        return await self._off_loop(lambda: self._book.get_blocking(job_id))

    async def _off_loop(self, call: Callable[[], T]) -> T:
        """The call's context goes along: what is logged there carries its request id."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, call)


def checked_spec(body: Mapping[str, Any], missing: Sequence[Violation]) -> JobSpec:
    """The spec, if it is valid and nothing that it names is missing; else all that is wrong, together.

    Raises:
        InvalidInputError: with every violation.
    """
    try:
        spec = parse_spec(body)
    except InvalidInputError as error:
        raise InvalidInputError("; ".join([error.message, *_lines(missing)]), (*error.violations, *missing)) from None
    if missing:
        raise InvalidInputError(f"the job spec is not valid: {'; '.join(_lines(missing))}", tuple(missing))
    return spec


def _lines(violations: Sequence[Violation]) -> list[str]:
    return [f"{violation.field}: {violation.description}" for violation in violations]
