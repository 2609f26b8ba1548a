"""The asyncio client: the calls of all services over one connection (polyhead.calls).

What is asked and how answers are read is in polyhead.requests and polyhead.readers, which both clients share.
"""

from __future__ import annotations

from polyhead.calls.aio_datasets import AsyncDatasetCalls
from polyhead.calls.aio_inference import AsyncInferenceCalls
from polyhead.calls.aio_inference_streams import AsyncInferenceStreamCalls
from polyhead.calls.aio_models import AsyncModelCalls
from polyhead.calls.aio_reports import AsyncReportCalls
from polyhead.calls.aio_training import AsyncTrainingCalls


class AsyncClient(
    AsyncInferenceCalls,
    AsyncInferenceStreamCalls,
    AsyncTrainingCalls,
    AsyncDatasetCalls,
    AsyncModelCalls,
    AsyncReportCalls,
):
    """A connection to one Polyhead server, for the event loop it was made in; close it or use `async with`.

    Every call ends within `timeout_s` (its own argument, else the client's; inf is no deadline), except streams
    (`watch_job` lasts as long as the job, `predict_stream` as long as its sentences) and `upload_dataset`. All calls
    raise the errors of `polyhead.errors`.
    """
