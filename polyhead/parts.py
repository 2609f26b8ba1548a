"""A request of more sentences than the server takes -> several, and their answers -> one. Pure; both clients share it.

The first part is asked as it is; the others name the version that answered it, so that one version answers all. If it
is released away before the last part is answered, all are asked again, of the new one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeVar

from polyhead.errors import CallError, FieldViolation, UnavailableError
from polyhead.results import EmbedResult, PredictResult, Timing
from polyhead.v1 import inference_pb2

#: So few are sent without a look at the server's limit, which costs a call of its own, once a client.
ALWAYS_WHOLE = 32
#: Sentences in a part, at most: PARTS_IN_FLIGHT of the longest sentences fit into the server's queue.
PART = 128
PARTS_IN_FLIGHT = 4
#: How often a list is begun again because another version was released meanwhile.
ROUNDS = 3

Q = TypeVar("Q", inference_pb2.PredictRequest, inference_pb2.EmbedRequest)
_SENTENCE = re.compile(r"\bsentences\[(\d+)\]")


def is_cut(num_sentences: int, limit: int) -> bool:
    """`limit`: sentences that the server takes in one request; 0: it does not say."""
    return 0 < limit < num_sentences


def cut(request: Q, limit: int) -> list[Q]:
    """Parts in order."""
    size = min(limit, PART)
    parts = []
    for start in range(0, len(request.sentences), size):
        part = type(request)()
        part.CopyFrom(request)
        del part.sentences[:]
        part.sentences.extend(request.sentences[start : start + size])
        parts.append(part)
    return parts


def pinned(parts: Sequence[Q], version: int) -> Iterator[Q]:
    """The same parts, for this version only."""
    for part in parts:
        named = type(part)()
        named.CopyFrom(part)
        named.model.CopyFrom(inference_pb2.ModelSelector(version=version))
        yield named


def shifted(error: CallError, offset: int) -> CallError:
    """The error of a part, with the places of the whole list, whose sentence `offset` is the part's first."""

    def place(found: re.Match[str]) -> str:
        return f"sentences[{int(found[1]) + offset}]"

    message = _SENTENCE.sub(place, error.message)
    violations = tuple(FieldViolation(_SENTENCE.sub(place, v.field), v.description) for v in error.violations)
    return type(error)(message, error.status, violations, error.retry_after_s, error.request_id)


def changing_error(target: str) -> UnavailableError:
    return UnavailableError(
        f"{target}: the served version changed {ROUNDS} times while one list was answered; nothing is wrong with it, "
        "ask again",
        "UNAVAILABLE",
    )


def join_predictions(answers: Sequence[PredictResult]) -> PredictResult:
    first = answers[0]
    results = tuple(chain.from_iterable(answer.results for answer in answers))
    return PredictResult(results, first.model_version, first.artifact_id, first.encoder_id, _slowest(answers))


def join_embeddings(answers: Sequence[EmbedResult]) -> EmbedResult:
    first = answers[0]
    embeddings = tuple(chain.from_iterable(answer.embeddings for answer in answers))
    return EmbedResult(embeddings, first.model_version, first.artifact_id, first.encoder_id, _slowest(answers))


def _slowest(answers: Sequence[PredictResult] | Sequence[EmbedResult]) -> Timing:
    """As for several sentences of one request: the slowest of each."""
    timings = [answer.timing for answer in answers]
    return Timing(
        tokenize_ms=max(timing.tokenize_ms for timing in timings),
        queue_ms=max(timing.queue_ms for timing in timings),
        compute_ms=max(timing.compute_ms for timing in timings),
        total_ms=max(timing.total_ms for timing in timings),
    )
