"""Requests that change the routing table, as domain values; everything that is wrong with one is named. Pure."""

from __future__ import annotations

import re
import uuid

from polyhead.v1 import models_pb2
from server.models.changes import AliasChange, Promotion, Request, Rollback
from server.models.policy import STABLE
from server.models.routing import CANARY
from server.rpc.requests import refuse
from shared.errors import Violation

MAX_REQUEST_ID_LENGTH = 128
#: Of `why` and `by`: they are sentences, and every server keeps all releases in memory.
MAX_REMARK_LENGTH = 500
ALIAS = re.compile(r"[a-z][a-z0-9._-]{0,62}")

ChangeRequest = models_pb2.PromoteRequest | models_pb2.RollbackRequest | models_pb2.SetAliasRequest


def promotion(request: models_pb2.PromoteRequest) -> tuple[Promotion, Request]:
    """
    Raises:
        InvalidInputError: naming every field that is wrong.
    """
    violations = [*_remarks(request), *_version(request.version, least=1)]
    share = request.canary_share if request.HasField("canary_share") else None
    if share is not None and not 0 <= share <= 1:
        violations.append(Violation("canary_share", f"is {share:g}; a share is between 0 and 1, and 0 ends the canary"))
    refuse(violations)
    return Promotion(request.version, share, request.resume_automatic), _request(request)


def rollback(request: models_pb2.RollbackRequest) -> tuple[Rollback, Request]:
    """
    Raises:
        InvalidInputError: naming every field that is wrong.
    """
    refuse([*_remarks(request), *_version(request.version, least=1)])
    return Rollback(request.version), _request(request)


def alias_change(request: models_pb2.SetAliasRequest) -> tuple[AliasChange, Request]:
    """
    Raises:
        InvalidInputError: naming every field that is wrong.
    """
    violations = [*_remarks(request), *_version(request.version, least=0)]
    if request.alias in (STABLE, CANARY):
        violations.append(Violation("alias", f"{request.alias!r} is moved by Promote and Rollback only"))
    elif not ALIAS.fullmatch(request.alias):
        rule = "use lower-case letters, digits, `-`, `_` and `.`, at most 63, beginning with a letter"
        violations.append(Violation("alias", f"is {request.alias[:80]!r}; {rule}"))
    refuse(violations)
    return AliasChange(request.alias, request.version), _request(request)


def _request(request: ChangeRequest) -> Request:
    return Request(request.request_id or uuid.uuid4().hex, request.why, request.by or "a client")


def _version(version: int, least: int) -> list[Violation]:
    return [] if version >= least else [Violation("version", f"is {version}; versions are numbered from 1")]


def _remarks(request: ChangeRequest) -> list[Violation]:
    limits = (("request_id", MAX_REQUEST_ID_LENGTH), ("why", MAX_REMARK_LENGTH), ("by", MAX_REMARK_LENGTH))
    sizes = ((field, len(getattr(request, field)), limit) for field, limit in limits)
    return [
        Violation(field, f"has {size} characters; use at most {limit}") for field, size, limit in sizes if size > limit
    ]
