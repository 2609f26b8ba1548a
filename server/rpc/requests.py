"""Checks of inference requests: everything that is wrong with one, found before a token is made. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polyhead.v1 import inference_pb2
from server.models.routing import Wish
from server.models.snapshot import Snapshot
from shared.errors import FailedPreconditionError, InvalidInputError, NotFoundError, Violation
from shared.text import TokenizedText

#: A request with many bad sentences gets so many of them named.
MAX_VIOLATIONS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may bring; told by GetServerInfo."""

    max_sentences_per_request: int
    max_sentence_bytes: int
    max_queue_tokens: int
    max_message_bytes: int
    max_upload_bytes: int = 0


def check_sentences(sentences: Sequence[str], truncation: int, limits: Limits) -> list[Violation]:
    """All violations of the parts that Predict and Embed share."""
    found: list[Violation] = []
    if not sentences:
        found.append(Violation("sentences", "is empty; send at least one sentence"))
    if len(sentences) > limits.max_sentences_per_request:
        found.append(
            Violation(
                "sentences",
                f"has {len(sentences)} sentences; this server takes {limits.max_sentences_per_request} at once",
            )
        )
        return found
    for index, sentence in enumerate(sentences):
        if not sentence.strip():
            found.append(Violation(f"sentences[{index}]", "is blank"))
        elif (size := len(sentence.encode())) > limits.max_sentence_bytes:
            found.append(
                Violation(f"sentences[{index}]", f"has {size} bytes; this server takes {limits.max_sentence_bytes}")
            )
    if truncation not in inference_pb2.Truncation.values():
        found.append(Violation("truncation", f"{truncation} is no value of Truncation"))
    return found


def check_model(selector: inference_pb2.ModelSelector) -> list[Violation]:
    """A selector names something, or is absent."""
    kind = selector.WhichOneof("model")
    if kind == "version" and selector.version < 1:
        return [Violation("model.version", f"is {selector.version}; versions are numbered from 1")]
    if kind == "alias" and not selector.alias:
        return [Violation("model.alias", "is empty; name an alias, or leave the model out for stable")]
    return []


def predict_wish(request: inference_pb2.PredictRequest) -> Wish:
    return Wish(
        version=request.model.version,
        alias=request.model.alias,
        routing_key=request.routing_key,
        tasks=tuple(request.tasks),
        wants_embedding=request.include_embedding,
        expect_encoder_id=request.expect_encoder_id,
    )


def embed_wish(request: inference_pb2.EmbedRequest) -> Wish:
    return Wish(
        version=request.model.version,
        alias=request.model.alias,
        routing_key=request.routing_key,
        wants_embedding=True,
        expect_encoder_id=request.expect_encoder_id,
    )


def most_tokens(sentences: Sequence[str], snapshot: Snapshot) -> int:
    """Tokens that the sentences have at most: a token is a byte or more, and two special ones surround them."""
    return sum(min(len(sentence.encode()) + 2, snapshot.text.max_tokens) for sentence in sentences)


def check_dimensions(dimensions: int, snapshot: Snapshot) -> list[Violation]:
    """0 or 1 to the model's own number."""
    most = snapshot.manifest.dimensions
    if 0 <= dimensions <= most:
        return []
    return [Violation("dimensions", f"is {dimensions}; use 0 for all, or 1 to {most}")]


def refuse(violations: Sequence[Violation]) -> None:
    """
    Raises:
        InvalidInputError: if there is any violation.
    """
    if violations:
        named = tuple(violations[:MAX_VIOLATIONS])
        more = len(violations) - len(named)
        summary = "; ".join(f"{v.field} {v.description}" for v in named) + (f"; and {more} more" if more else "")
        raise InvalidInputError(summary, named)


def check_encoder(expected: str, snapshot: Snapshot) -> None:
    """
    Raises:
        FailedPreconditionError: if the caller's vectors are of another encoder than the one that serves.
    """
    actual = snapshot.manifest.encoder_id
    if expected and expected != actual:
        raise FailedPreconditionError(
            f"expect_encoder_id is {expected!r}, but version {snapshot.version} has encoder {actual!r}; "
            "vectors of two encoders do not compare: embed your texts anew"
        )


def select_tasks(names: Sequence[str], snapshot: Snapshot) -> list[int]:
    """Indices of the wanted tasks, in the order asked for; all of them where `names` is empty.

    Raises:
        FailedPreconditionError: if the model has no task at all.
        InvalidInputError: if a task is named twice.
        NotFoundError: if the model has no such task.
    """
    known = snapshot.task_names
    if not known:
        raise FailedPreconditionError(
            f"no task yet: version {snapshot.version} is an encoder without heads; train one with TrainJob"
        )
    refuse([Violation(f"tasks[{i}]", f"{name!r} is named twice") for i, name in enumerate(names) if name in names[:i]])
    unknown = [name for name in names if name not in known]
    if unknown:
        raise NotFoundError(
            f"version {snapshot.version} has no task {', '.join(map(repr, unknown))}; it has {', '.join(known)}"
        )
    return [known.index(name) for name in names] if names else list(range(len(known)))


def refuse_truncated(tokens: Sequence[TokenizedText], max_tokens: int) -> None:
    """For TRUNCATION_REFUSE.

    Raises:
        InvalidInputError: naming each sentence that is longer than the model's window.
    """
    refuse(
        [
            Violation(f"sentences[{index}]", f"is longer than the model's {max_tokens} tokens")
            for index, item in enumerate(tokens)
            if item.truncated
        ]
    )
