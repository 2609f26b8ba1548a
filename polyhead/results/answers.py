"""Predictions and embeddings."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


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
    #: The best label; empty for a multi-label task.
    label: str
    #: Calibrated probability of `label`, 0 to 1; 0 for a multi-label task.
    score: float
    #: All labels, in the order of the task's definition.
    scores: Mapping[str, float]
    #: What the text has: `label` alone, or of a multi-label task every label over its threshold, perhaps none.
    labels: tuple[str, ...] = ()


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
