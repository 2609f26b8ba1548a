"""The synchronous client: the calls of all services over one connection (polyhead.calls).

What is asked and how answers are read is in polyhead.requests and polyhead.readers, which both clients share.
"""

from __future__ import annotations

from polyhead.calls.datasets import DatasetCalls
from polyhead.calls.inference import InferenceCalls
from polyhead.calls.inference_streams import InferenceStreamCalls
from polyhead.calls.models import ModelCalls
from polyhead.calls.reports import ReportCalls
from polyhead.calls.training import TrainingCalls


class Client(InferenceCalls, InferenceStreamCalls, TrainingCalls, DatasetCalls, ModelCalls, ReportCalls):
    """A connection to one Polyhead server. Thread-safe; connects on the first call; close it or use `with`.

    Every call ends within `timeout_s` (its own argument, else the client's; inf is no deadline), except streams
    (`watch_job` lasts as long as the job, `predict_stream` as long as its sentences) and `upload_dataset`. All calls
    raise the errors of `polyhead.errors`.
    """
