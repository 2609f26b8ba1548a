"""Arguments -> wire messages. Pure functions; the sync and the async client share them.

All raise InvalidArgumentError for what cannot be put on the wire, naming field and value.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Literal, Protocol, TypeVar

from polyhead import arguments
from polyhead.errors import InvalidArgumentError, RecipeError
from polyhead.specs import spec_to_message
from polyhead.v1 import inference_pb2, models_pb2, training_pb2

#: What to do with a sentence longer than the model's window: cut and flag it, or refuse the request.
Truncation = Literal["truncate", "refuse"]

#: A version's number (3 or "3"), or an alias such as `latest`, `stable` or `canary`; None: stable, or for its share of
#: the traffic the canary.
ModelName = int | str | None

_TRUNCATION = {
    "truncate": inference_pb2.TRUNCATION_TRUNCATE,
    "refuse": inference_pb2.TRUNCATION_REFUSE,
}
#: The largest page that the list calls give (proto/polyhead/v1: page_size).
MAX_PAGE = 500


def predict_request(
    sentences: str | Iterable[str],
    tasks: Iterable[str],
    include_embedding: bool,
    expect_encoder_id: str,
    truncation: Truncation,
    model: ModelName = None,
    routing_key: str = "",
) -> inference_pb2.PredictRequest:
    return inference_pb2.PredictRequest(
        sentences=arguments.texts("sentences", sentences),
        tasks=arguments.texts("tasks", tasks),
        include_embedding=bool(include_embedding),
        expect_encoder_id=arguments.text("expect_encoder_id", expect_encoder_id),
        truncation=arguments.choice("truncation", truncation, _TRUNCATION),
        model=selector(model),
        routing_key=arguments.text("routing_key", routing_key),
    )


def embed_request(
    sentences: str | Iterable[str],
    normalize: bool,
    dimensions: int,
    expect_encoder_id: str,
    truncation: Truncation,
    model: ModelName = None,
    routing_key: str = "",
) -> inference_pb2.EmbedRequest:
    return inference_pb2.EmbedRequest(
        sentences=arguments.texts("sentences", sentences),
        normalize=bool(normalize),
        dimensions=arguments.number("dimensions", dimensions),
        expect_encoder_id=arguments.text("expect_encoder_id", expect_encoder_id),
        truncation=arguments.choice("truncation", truncation, _TRUNCATION),
        model=selector(model),
        routing_key=arguments.text("routing_key", routing_key),
    )


def selector(model: ModelName) -> inference_pb2.ModelSelector | None:
    """A version's number, an alias, or None for whatever the server's routing says; a text of digits is a number."""
    if model is None:
        return None
    version = arguments.version_of("model", model) if isinstance(model, str) else arguments.number("model", model)
    if version is not None:
        return inference_pb2.ModelSelector(version=version)
    return inference_pb2.ModelSelector(alias=arguments.text("model", model))


def train_request(
    spec: Mapping[str, Any] | training_pb2.JobSpec, request_id: str | None, validate_only: bool
) -> training_pb2.TrainJobRequest:
    """Without a `request_id`, a job gets one made up here: a call that is tried again then finds its own job.

    Raises:
        RecipeError: if the spec does not fit the wire.
    """
    try:
        message = spec if isinstance(spec, training_pb2.JobSpec) else spec_to_message(spec)
    except UnicodeEncodeError as error:
        where = f"lone surrogate at character {error.start} of {error.object!a}"
        raise RecipeError(f"the job spec cannot be sent: a text is no valid Unicode: {where}") from None
    made_up = "" if validate_only else uuid.uuid4().hex
    return training_pb2.TrainJobRequest(
        request_id=arguments.text("request_id", request_id or made_up), spec=message, validate_only=bool(validate_only)
    )


def job_request(job_id: str) -> training_pb2.GetJobRequest:
    return training_pb2.GetJobRequest(job_id=arguments.text("job_id", job_id))


def watch_request(job_id: str) -> training_pb2.WatchJobRequest:
    return training_pb2.WatchJobRequest(job_id=arguments.text("job_id", job_id))


def cancel_request(job_id: str) -> training_pb2.CancelJobRequest:
    return training_pb2.CancelJobRequest(job_id=arguments.text("job_id", job_id))


def dataset_request(sha256: str) -> training_pb2.GetDatasetRequest:
    return training_pb2.GetDatasetRequest(sha256=arguments.text("sha256", sha256))


def is_hash_refused(error: InvalidArgumentError) -> bool:
    """Whether an upload failed because the bytes that the server has are not those of the hash."""
    return any(violation.field == "header.sha256" for violation in error.violations)


class _Page(Protocol):
    @property
    def next_page_token(self) -> str: ...


P = TypeVar("P", bound=_Page)
T = TypeVar("T")


class Pages(Generic[P, T]):
    """Collects up to `limit` items that come in pages: ask for `next_page()`, `add()` the answer, until `is_full`."""

    def __init__(self, limit: int, read: Callable[[P], Iterable[T]]) -> None:
        self._limit = limit
        self._read = read
        self._token = ""
        self.items: list[T] = []
        self.is_full = limit == 0

    def next_page(self) -> dict[str, Any]:
        """Fields of the next request."""
        return {"page_size": min(self._limit - len(self.items), MAX_PAGE), "page_token": self._token}

    def add(self, page: P) -> None:
        self.items.extend(self._read(page))
        self._token = page.next_page_token
        self.is_full = not self._token or len(self.items) >= self._limit


def job_pages(limit: int) -> Pages[training_pb2.ListJobsResponse, training_pb2.Job]:
    return Pages(arguments.number("limit", limit), lambda page: page.jobs)


def version_pages(limit: int) -> Pages[models_pb2.ListVersionsResponse, models_pb2.Version]:
    return Pages(arguments.number("limit", limit), lambda page: page.versions)


def dataset_pages(limit: int) -> Pages[training_pb2.ListDatasetsResponse, training_pb2.Dataset]:
    return Pages(arguments.number("limit", limit), lambda page: page.datasets)
