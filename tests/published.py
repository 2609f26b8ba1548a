"""Published models for tests: small random weights through the real artifact, version and release code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from shared.base_model import load_base_model
from shared.model import Task
from shared.model_files import build_model, encoder_id_of, model_files, task_entries
from shared.probes import make_probes
from shared.store.artifacts import Manifest, write_artifact
from shared.store.folder import FolderStore
from shared.store.records import new_id
from shared.store.releases import ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log
from shared.text import TextEncoder

TASKS = (Task("sentiment", ("negative", "neutral", "positive"), 1.3), Task("hate_speech", ("not_hate", "hate")))


def publish(store: FolderStore, base_folder: Path, tasks: Sequence[Task] = TASKS, seed: int = 0) -> int:
    """Write an artifact with heads drawn from `seed`, append its version and release; return the version."""
    number = add_version(store, base_folder, tasks, seed)
    release(store, number, versions_log(store).entries()[number - 1].job_id)
    return number


def add_version(store: FolderStore, base_folder: Path, tasks: Sequence[Task] = TASKS, seed: int = 0) -> int:
    """As `publish`, but no release names the version."""
    base = load_base_model(str(base_folder))
    torch.manual_seed(seed)
    model = build_model(base, tasks).eval()
    with torch.no_grad():
        for head in model.heads:
            for parameter in head.parameters():
                parameter.mul_(5.0)
    files = model_files(model, base)
    text = TextEncoder(base.tokenizer_files["tokenizer.json"], base.max_tokens)
    manifest = Manifest(
        artifact_id=new_id(),
        files={},
        tasks=task_entries(model),
        base_model=base.name,
        encoder_id=encoder_id_of(files),
        dimensions=model.hidden_size,
        max_tokens=base.max_tokens,
        code_version="test",
        probes=make_probes(model, text),
    )
    digest = write_artifact(store, manifest, files)
    record = VersionRecord(artifact_id=manifest.artifact_id, manifest_sha256=digest, job_id=new_id())
    number = versions_log(store).append(lambda _: record)
    assert number is not None
    return number


def release(store: FolderStore, version: int, job_id: str = "") -> int:
    """Append a release that makes `version` stable."""
    record = ReleaseRecord(stable=version, aliases={"latest": version}, why="test", by="test", job_id=job_id)
    number = releases_log(store).append(lambda _: record)
    assert number is not None
    return number
