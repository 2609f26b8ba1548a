"""What the client returns: frozen values, free of protobuf and gRPC. polyhead.readers makes them."""

from polyhead.results.answers import EmbedResult, Prediction, PredictResult, SentenceEmbedding, SentenceResult, Timing
from polyhead.results.datasets import Dataset
from polyhead.results.jobs import Job, JobError, JobProgress, JobState, SearchProgress, Trial
from polyhead.results.server import Limits, RefusedVersion, ServedModel, ServerInfo, TaskInfo, Version

__all__ = [
    "Dataset",
    "EmbedResult",
    "Job",
    "JobError",
    "JobProgress",
    "JobState",
    "Limits",
    "PredictResult",
    "Prediction",
    "RefusedVersion",
    "SearchProgress",
    "SentenceEmbedding",
    "SentenceResult",
    "ServedModel",
    "ServerInfo",
    "TaskInfo",
    "Timing",
    "Trial",
    "Version",
]
