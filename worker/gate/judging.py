"""Scores candidate and champion on the same held-out rows. Imports torch: for the trainer and for a rematch's process.

Owns which rows and tasks are compared. Both models are computed in float32, each with its own tokenizer, so a rematch
gives the figures that the trainer would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from shared.errors import CorruptArtifactError, SchemaVersionError
from shared.model_files import LoadedModel, load_model
from shared.spec import JobSpec
from shared.store.artifacts import ArtifactReader
from shared.store.folder import FolderStore
from shared.store.releases import releases_log
from shared.store.versions import versions_log
from worker.data.ledger import TaskData
from worker.data.rows import Rows
from worker.gate.verdict import TaskVerdict, Verdict, compare, conclude, not_judged
from worker.training.corpus import tokenize
from worker.training.evaluate import score
from worker.training.metrics.kinds import reordered, task_metrics
from worker.training.metrics.single_label import Scores
from worker.training.precision import Compute
from worker.training.progress import ProgressReporter
from worker.training.vectors import encode_corpus

#: With fewer rows one answer moves macro-F1 by more than a few hundredths, so a figure says little.
MIN_ROWS = 30


@dataclass(frozen=True, slots=True)
class _Champion:
    """The served version, of release number `release`."""

    version: int
    release: int
    model: LoadedModel


def judge(
    store: FolderStore,
    spec: JobSpec,
    candidate: LoadedModel,
    data: Sequence[TaskData],
    device: torch.device,
    progress: ProgressReporter,
) -> Verdict:
    """Compare `candidate` with what the newest release serves, by the spec's tasks, whose `data` these are.

    Tasks that it carried over from its parent answer as they did, so they are neither judged nor missing.

    Raises:
        StoreError: if the store cannot be read.
    """
    if spec.gate.policy == "off":
        return not_judged("the job's gate is off")
    found = _champion(store)
    if isinstance(found, Verdict):
        return found
    its, all_ours = found.model.model.tasks, {task.name: task for task in candidate.model.tasks}
    own = [all_ours[task.name] for task in spec.tasks]
    theirs = {task.name: task for task in its}
    labels, ours = {task.name: task.labels for task in own}, {task.name: task for task in own}
    dropped = tuple(name for name in theirs if name not in all_ours)
    held_out: dict[str, Rows] = {}
    tasks: dict[str, TaskVerdict] = {}
    for task, task_data in zip(own, data, strict=True):
        if task.name not in theirs:
            continue
        if task.kind != theirs[task.name].kind:
            problem = f"version {found.version} has it as {theirs[task.name].kind}"
        elif set(task.labels) != set(theirs[task.name].labels):
            problem = f"version {found.version} has the labels {', '.join(theirs[task.name].labels)}"
        elif len(task_data.test) < MIN_ROWS:
            problem = f"{len(task_data.test)} held-out rows are too few, {MIN_ROWS} are needed"
        else:
            held_out[task.name] = task_data.test
            continue
        tasks[task.name] = _open(spec, task.name, problem)
    if held_out:
        total = 2 * sum(len(rows) for rows in held_out.values())
        progress.start("judging", steps=total, num_examples=total)
        compute = Compute(device, "float32")
        challenger = _scores(candidate, held_out, compute, progress)
        champion = _scores(found.model, held_out, compute, progress)
        for name, rows in held_out.items():
            metric = spec.gate.metric
            order = [theirs[name].labels.index(label) for label in labels[name]]
            as_ours = reordered(theirs[name], order)
            before = task_metrics(as_ours, champion[name][:, order], rows.label_ids)[metric]
            after = task_metrics(ours[name], challenger[name], rows.label_ids)[metric]
            tasks[name] = compare(metric, before, after, spec.gate.allowed(name), len(rows))
    in_order = {name: tasks[name] for name in labels if name in tasks}
    return conclude(in_order, dropped, spec.gate.dropped_tasks == "allow", found.version, found.release)


def _champion(store: FolderStore) -> _Champion | Verdict:
    """The served version, or why there is nothing to compare with."""
    releases = releases_log(store).entries()
    if not releases:
        return not_judged("nothing is released yet", judged_against=0)
    version, release = releases[-1].stable, len(releases)
    versions = versions_log(store).entries()
    if not 1 <= version <= len(versions):
        return not_judged(f"the store has no version {version}", version, release)
    record = versions[version - 1]
    try:
        reader = ArtifactReader(store, record.artifact_id, record.manifest_sha256)
        if not reader.manifest.tasks:
            return not_judged(f"version {version} has no tasks", version, release)
        return _Champion(version, release, load_model(reader))
    except (CorruptArtifactError, SchemaVersionError) as error:
        # Holding a good model back because the served one is broken would help nobody.
        return not_judged(f"version {version} cannot be loaded: {error}", version, release)


def _open(spec: JobSpec, name: str, why: str) -> TaskVerdict:
    return TaskVerdict(outcome="not judged", metric=spec.gate.metric, allowed=spec.gate.allowed(name), note=why)


def _scores(
    loaded: LoadedModel, held_out: dict[str, Rows], compute: Compute, progress: ProgressReporter
) -> dict[str, Scores]:
    """Calibrated probabilities of the rows of each task in `held_out`, by its name."""
    model = loaded.model.to(compute.device)
    none = Rows([], np.empty(0, dtype=np.int64))
    corpus = tokenize([held_out.get(task.name, none) for task in model.tasks], loaded.text)
    pooled_NH = encode_corpus(model, corpus, compute, lambda rows: progress.advance(rows, examples=rows))
    named = zip((task.name for task in model.tasks), score(model, corpus, pooled_NH), strict=True)
    return {name: scores for name, scores in named if name in held_out}
