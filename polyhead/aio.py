"""The asyncio client: the calls of all services over one connection (polyhead.calls).

What is asked and how answers are read is in polyhead.requests and polyhead.readers, which both clients share.
"""

from __future__ import annotations

from polyhead.calls.aio_datasets import AsyncDatasetCalls
from polyhead.calls.aio_inference import AsyncInferenceCalls
from polyhead.calls.aio_models import AsyncModelCalls
from polyhead.calls.aio_reports import AsyncReportCalls
from polyhead.calls.aio_training import AsyncTrainingCalls


class AsyncClient(AsyncInferenceCalls, AsyncTrainingCalls, AsyncDatasetCalls, AsyncModelCalls, AsyncReportCalls):
    """A connection to one Polyhead server, for the event loop it was made in; close it or use `async with`.

    Every call ends within `timeout_s` (its own argument, else the client's), except `watch_job`, which lasts as long
    as the job, and `upload_dataset`. All calls raise the errors of `polyhead.errors`.
    """
