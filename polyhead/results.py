"""What the client returns: frozen values, free of protobuf and gRPC. polyhead.readers makes them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the server's time went, in milliseconds; for several sentences the slowest of each."""

    tokenize_ms: float
    queue_ms: float
    compute_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """One task's answer for one sentence."""

    task: str
    label: str
    #: Calibrated probability of `label`, 0 to 1.
    score: float
    #: All labels, in the order of the task's definition.
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SentenceResult:
    """All answers for one sentence; `result["sentiment"]` is the prediction of that task."""

    predictions: Mapping[str, Prediction]
    #: Normalised float32 vector, if it was asked for; `numpy.asarray(embedding)` does not copy.
    embedding: array[float] | None
    token_count: int
    truncated: bool

    def __getitem__(self, task: str) -> Prediction:
        return self.predictions[task]


@dataclass(frozen=True, slots=True)
class PredictResult:
    """Answers in the order of the sentences, all of one model version. Iterates over the sentences' results."""

    results: tuple[SentenceResult, ...]
    model_version: int
    artifact_id: str
    encoder_id: str
    timing: Timing

    def __iter__(self) -> Iterator[SentenceResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: int) -> SentenceResult:
        return self.results[index]


@dataclass(frozen=True, slots=True)
class SentenceEmbedding:
    """One sentence's vector."""

    #: float32; `numpy.asarray(values)` does not copy.
    values: array[float]
    token_count: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """Embeddings in the order of the sentences. Vectors compare only within one `encoder_id`."""

    embeddings: tuple[SentenceEmbedding, ...]
    model_version: int
    artifact_id: str
    encoder_id: str
    timing: Timing

    def __iter__(self) -> Iterator[SentenceEmbedding]:
        return iter(self.embeddings)

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, index: int) -> SentenceEmbedding:
        return self.embeddings[index]


class JobState(StrEnum):
    """Where a job stands. UNKNOWN is a state that this client has no name for."""

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What a running job does now."""

    stage: str
    step: int
    #: All steps of the stage; 0 while unknown.
    steps: int
    epoch: float
    loss_by_task: Mapping[str, float]
    examples_per_s: float
    eta_s: float


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed; `code` is stable and machine-readable, such as INVALID_DATA."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """A training job, as it was when the server answered."""

    id: str
    request_id: str
    state: JobState
    #: Counts claims by workers, from 1; 0 while queued for the first time.
    attempt: int
    submitted_at: datetime | None
    finished_at: datetime | None
    spec: Mapping[str, Any]
    progress: JobProgress | None
    #: metrics[task][`model`, `majority` or `tfidf_lr`] has accuracy, macro_f1, macro_recall, cross_entropy, ece.
    metrics: Mapping[str, Any]
    report: Mapping[str, Any]
    #: The published version; 0 until it is published.
    version: int
    error: JobError | None

    @property
    def is_finished(self) -> bool:
        return self.state in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task that the served model has."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model that answers requests."""

    version: int
    artifact_id: str
    encoder_id: str
    base_model: str
    tasks: tuple[TaskInfo, ...]
    dimensions: int
    max_tokens: int
    release: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server accepts in one request."""

    max_sentences_per_request: int
    max_sentence_bytes: int
    max_queue_tokens: int
    max_message_bytes: int


@dataclass(frozen=True, slots=True)
class RefusedVersion:
    """A version that the newest release names and the server did not load."""

    release: int
    version: int
    reason: str


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What this server is and serves; `model` is None while none is loaded."""

    server_version: str
    model: ServedModel | None
    limits: Limits
    engine: str
    precision: str
    device: str
    release: int
    refused: tuple[RefusedVersion, ...]
    #: Why releases could not be followed at the last look; empty: all is well.
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A published model version."""

    number: int
    artifact_id: str
    manifest_sha256: str
    parent: int
    job_id: str
    created_at: datetime | None
    metrics: Mapping[str, Any]
    verdict: str
    is_stable: bool
