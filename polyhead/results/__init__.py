"""What the client returns: frozen values, free of protobuf and gRPC. polyhead.readers makes them."""

from polyhead.results.answers import EmbedResult, Prediction, PredictResult, SentenceEmbedding, SentenceResult, Timing
from polyhead.results.datasets import Dataset
from polyhead.results.jobs import Job, JobError, JobProgress, JobState, SearchProgress, Trial
from polyhead.results.releases import Canary, Release
from polyhead.results.server import (
    Limits,
    LoadState,
    ModelState,
    RefusedVersion,
    ServedModel,
    ServerInfo,
    TaskInfo,
    Version,
)

__all__ = [
    "Canary",
    "Dataset",
    "EmbedResult",
    "Job",
    "JobError",
    "JobProgress",
    "JobState",
    "Limits",
    "LoadState",
    "ModelState",
    "PredictResult",
    "Prediction",
    "RefusedVersion",
    "Release",
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
