"""A rematch: a finished job's candidate, from its artifact, on the rows that the job held out. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.errors import DataError
from shared.model_files import load_model
from shared.spec import JobSpec
from shared.store.artifacts import ArtifactReader, Manifest
from shared.store.datasets import DatasetStore
from shared.store.folder import open_store
from shared.store.jobs import JobStore
from worker.data.ledger import TaskData
from worker.gate.judging import judge
from worker.gate.rematch import RematchInput
from worker.gate.verdict import Verdict, not_judged
from worker.training.parent import load_parent
from worker.training.precision import choose_compute
from worker.training.preparation import read_data
from worker.training.progress import ProgressReporter


def judge_again(work: RematchInput) -> Verdict:
    """Reading and splitting are deterministic: the same files give the rows that the job held out.

    Other files, or none, are a verdict too: nobody can compare any more, so the candidate is kept.

    Raises:
        PolyheadError: if the store cannot be read, or this machine lacks what is needed.
    """
    store = open_store(work.store_url)
    job = JobStore(store).get(work.job_id)
    assert job.result is not None
    artifact = ArtifactReader(store, job.result.artifact_id, job.result.manifest_sha256)
    progress = ProgressReporter(lambda event: None)
    spec = job.accepted.spec
    try:
        roots = [Path(root) for root in work.data_roots]
        parent = load_parent(store, spec)
        data = read_data(spec, roots, DatasetStore(store), progress, parent)
        _require_same(spec, artifact.manifest, data)
    except DataError as error:
        return not_judged(f"the served version has changed since, and judging again failed: {error}", may_release=False)
    device = choose_compute(work.device, "float32").device
    return judge(store, spec, load_model(artifact), data, parent.known if parent else {}, device, progress)


def _require_same(spec: JobSpec, manifest: Manifest, data: Sequence[TaskData]) -> None:
    for task, found in zip(spec.tasks, data, strict=True):
        recorded = manifest.data.get(task.name, {}).get("sha256", {})
        changed = sorted(name for name, digest in found.sha256.items() if recorded.get(name) != digest)
        if changed:
            raise DataError(f"{', '.join(changed)}: is not what the job was trained on; its sha256 has changed")
