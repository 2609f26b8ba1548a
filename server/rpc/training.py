"""TrainingService: jobs are accepted here and run elsewhere."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import grpc

from polyhead.specs import message_to_spec
from polyhead.v1 import training_pb2, training_pb2_grpc
from server.jobs.book import JobBook, JobView
from server.rpc.jobs import job_message
from server.rpc.pages import page
from server.rpc.request_ids import current_request_id
from shared.errors import InvalidInputError, Violation
from shared.spec import parse_spec

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")

MAX_REQUEST_ID_LENGTH = 128
#: Seconds between two looks at a watched job: a person sees it as live, and a look costs two small file reads.
WATCH_INTERVAL_S = 0.25


class TrainingServicer(training_pb2_grpc.TrainingServiceServicer):
    """Store and queue are asked off the event loop, in the executor given here."""

    def __init__(self, book: JobBook, executor: Executor) -> None:
        self._book = book
        self._executor = executor

    async def TrainJob(self, request: training_pb2.TrainJobRequest, context: Context) -> training_pb2.TrainJobResponse:
        if len(request.request_id) > MAX_REQUEST_ID_LENGTH:
            hint = f"has {len(request.request_id)} characters; use at most {MAX_REQUEST_ID_LENGTH}"
            raise InvalidInputError(f"request_id {hint}", (Violation("request_id", hint),))
        spec = parse_spec(message_to_spec(request.spec))
        if request.validate_only:
            return training_pb2.TrainJobResponse()
        request_id = request.request_id or uuid.uuid4().hex
        x_request_id = current_request_id()
        view = await self._off_loop(lambda: self._book.submit_blocking(request_id, spec, x_request_id))
        return training_pb2.TrainJobResponse(job=job_message(view))

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

    async def _get(self, job_id: str) -> JobView:
        return await self._off_loop(lambda: self._book.get_blocking(job_id))

    async def _off_loop(self, call: Callable[[], T]) -> T:
        """The call's context goes along: what is logged there carries its request id."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, call)
