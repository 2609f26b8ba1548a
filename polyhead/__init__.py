"""Polyhead's client: one sentence encoder, many classification heads, over gRPC. Installs without torch.

    from polyhead import Client

    with Client("127.0.0.1:50051") as client:
        print(client.predict(["what a lovely day"])[0]["sentiment"].label)

Names are imported when they are first used, so that `import polyhead` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyhead.aio import AsyncClient
    from polyhead.channel import INFERENCE_SERVICE
    from polyhead.client import Client
    from polyhead.errors import (
        AlreadyExistsError,
        CallCancelledError,
        CallError,
        DeadlineExceededError,
        FailedPreconditionError,
        FieldViolation,
        InternalError,
        InvalidArgumentError,
        NotFoundError,
        PolyheadError,
        RecipeError,
        ResourceExhaustedError,
        UnavailableError,
        UnimplementedError,
    )
    from polyhead.results import (
        Canary,
        Dataset,
        EmbedResult,
        Job,
        JobError,
        JobProgress,
        JobState,
        Limits,
        LoadState,
        ModelState,
        Prediction,
        PredictResult,
        RefusedVersion,
        Release,
        SearchProgress,
        SentenceEmbedding,
        SentenceResult,
        ServedModel,
        ServerInfo,
        TaskInfo,
        Timing,
        Trial,
        Version,
    )
    from polyhead.specs import message_to_spec, spec_to_message

_HOMES = {
    "polyhead.aio": ("AsyncClient",),
    "polyhead.channel": ("INFERENCE_SERVICE",),
    "polyhead.client": ("Client",),
    "polyhead.errors": (
        "AlreadyExistsError",
        "CallCancelledError",
        "CallError",
        "DeadlineExceededError",
        "FailedPreconditionError",
        "FieldViolation",
        "InternalError",
        "InvalidArgumentError",
        "NotFoundError",
        "PolyheadError",
        "RecipeError",
        "ResourceExhaustedError",
        "UnavailableError",
        "UnimplementedError",
    ),
    "polyhead.results": (
        "Canary",
        "Dataset",
        "EmbedResult",
        "Job",
        "JobError",
        "JobProgress",
        "JobState",
        "Limits",
        "PredictResult",
        "LoadState",
        "ModelState",
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
    ),
    "polyhead.specs": ("message_to_spec", "spec_to_message"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "INFERENCE_SERVICE",
    "AlreadyExistsError",
    "AsyncClient",
    "CallCancelledError",
    "CallError",
    "Canary",
    "Client",
    "Dataset",
    "DeadlineExceededError",
    "EmbedResult",
    "FailedPreconditionError",
    "FieldViolation",
    "InternalError",
    "InvalidArgumentError",
    "Job",
    "JobError",
    "JobProgress",
    "JobState",
    "Limits",
    "LoadState",
    "ModelState",
    "NotFoundError",
    "PolyheadError",
    "PredictResult",
    "Prediction",
    "RecipeError",
    "RefusedVersion",
    "Release",
    "ResourceExhaustedError",
    "SearchProgress",
    "SentenceEmbedding",
    "SentenceResult",
    "ServedModel",
    "ServerInfo",
    "TaskInfo",
    "Timing",
    "Trial",
    "UnavailableError",
    "UnimplementedError",
    "Version",
    "message_to_spec",
    "spec_to_message",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'polyhead' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
