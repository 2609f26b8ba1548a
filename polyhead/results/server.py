"""What a server is and serves, and the published versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from polyhead.results.releases import Release


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task that the served model has."""

    name: str
    labels: tuple[str, ...]
    #: single_label or multi_label.
    kind: str = "single_label"
    #: Of a multi-label task: the score from which on a label is told, in the order of the labels.
    thresholds: tuple[float, ...] = ()


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
    #: Of one uploaded file.
    max_upload_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RefusedVersion:
    """A version that a release names and the server did not load."""

    release: int
    version: int
    reason: str


class LoadState(StrEnum):
    """Whether a version is loaded. UNKNOWN is a state that this client has no name for."""

    UNKNOWN = "UNKNOWN"
    LOADING = "LOADING"
    LOADED = "LOADED"
    #: Corrupt, wrong or incompatible; tried again when a new release comes, or after some minutes.
    REFUSED = "REFUSED"
    #: Could not be loaded just now; tried again within seconds.
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ModelState:
    """One version on this server; `roles` is what it answers: `stable`, `canary` and aliases."""

    version: int
    state: LoadState
    reason: str
    roles: tuple[str, ...]
    artifact_id: str
    encoder_id: str
    tasks: tuple[TaskInfo, ...]


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
    #: The versions that the newest release names, or that serve in their place.
    models: tuple[ModelState, ...] = ()
    #: The routing table that the server follows.
    routing: Release | None = None


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
    #: Names of the routing table that mean this version, such as `latest`.
    aliases: tuple[str, ...] = ()
    #: Its share of the traffic; 0: it is no canary.
    canary_share: float = 0.0
    is_deleted: bool = False
    #: Where it comes from: job, base model, hashes of spec and data, library versions. Told of a single version only.
    lineage: Mapping[str, Any] = field(default_factory=dict)
