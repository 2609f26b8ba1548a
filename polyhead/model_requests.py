"""Arguments -> messages of the ModelService. Pure functions; the sync and the async client share them.

All raise InvalidArgumentError for what cannot be put on the wire, naming field and value.
"""

from __future__ import annotations

from polyhead import arguments
from polyhead.v1 import models_pb2


def version_request(number: int) -> models_pb2.GetVersionRequest:
    return models_pb2.GetVersionRequest(number=arguments.number("number", number))


def promote_request(
    version: int, canary_share: float | None, resume_automatic: bool, request_id: str | None, why: str, by: str
) -> models_pb2.PromoteRequest:
    return models_pb2.PromoteRequest(
        version=arguments.number("version", version),
        canary_share=None if canary_share is None else arguments.real("canary_share", canary_share),
        resume_automatic=bool(resume_automatic),
        **_remarks(request_id, why, by),
    )


def rollback_request(version: int, request_id: str | None, why: str, by: str) -> models_pb2.RollbackRequest:
    return models_pb2.RollbackRequest(version=arguments.number("version", version), **_remarks(request_id, why, by))


def alias_request(
    alias: str, version: int | None, request_id: str | None, why: str, by: str
) -> models_pb2.SetAliasRequest:
    return models_pb2.SetAliasRequest(
        alias=arguments.text("alias", alias),
        version=0 if version is None else arguments.number("version", version),
        **_remarks(request_id, why, by),
    )


def watch_releases_request(after: int) -> models_pb2.WatchReleasesRequest:
    return models_pb2.WatchReleasesRequest(after=arguments.number("after", after))


def _remarks(request_id: str | None, why: str, by: str) -> dict[str, str]:
    return {
        "request_id": arguments.text("request_id", request_id or ""),
        "why": arguments.text("why", why),
        "by": arguments.text("by", by),
    }
