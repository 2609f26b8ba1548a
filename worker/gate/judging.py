"""Scores candidate and champion on the same held-out rows. Imports torch: for the trainer and for a rematch's process.

Owns which rows and tasks are compared. Both models are computed in float32, each with its own tokenizer, so a rematch
gives the figures that the trainer would have given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from worker.data.known import Hashes
from worker.data.ledger import TaskData
from worker.data.rows import Rows
from worker.gate.held_out import choose_rows
from worker.gate.verdict import HOLDS, TaskVerdict, Verdict, compare, conclude, not_judged
from worker.training.corpus import tokenize
from worker.training.evaluate import score
from worker.training.metrics.kinds import reordered, task_metrics
from worker.training.metrics.single_label import Scores
from worker.training.parent import known_rows
from worker.training.precision import Compute
from worker.training.progress import ProgressReporter
from worker.training.vectors import encode_corpus


@dataclass(frozen=True, slots=True)
class _Champion:
    """The served version, of release number `release`."""

    version: int
    release: int
    model: LoadedModel
    #: Texts that it was trained on, by task; None where its artifact does not tell.
    known: Mapping[str, Hashes] | None


def judge(
    store: FolderStore,
    spec: JobSpec,
    candidate: LoadedModel,
    data: Sequence[TaskData],
    known: Mapping[str, Hashes],
    device: torch.device,
    progress: ProgressReporter,
) -> Verdict:
    """Compare `candidate` with what the newest release serves, by the spec's tasks, whose `data` these are.

    Tasks that it carried over from its parent answer as they did, so they are neither judged nor missing. `known`: the
    texts that its parent and the versions before were trained on, by task.

    Raises:
        StoreError: if the store cannot be read.
    """
    if spec.gate.policy == "off":
        return not_judged("the job's gate is off")
    found = _champion(store, spec.gate.unjudged == "release")
    if isinstance(found, Verdict):
        return found
    its, all_ours = found.model.model.tasks, {task.name: task for task in candidate.model.tasks}
    own = [all_ours[task.name] for task in spec.tasks]
    theirs = {task.name: task for task in its}
    labels, ours = {task.name: task.labels for task in own}, {task.name: task for task in own}
    dropped = tuple(name for name in theirs if name not in all_ours)
    before = np.concatenate([np.empty(0, dtype=np.int64), *known.values()])
    chosen = {
        task.name: choose_rows(task, theirs[task.name], of_task.test, found.version, found.known, before)
        for task, of_task in zip(own, data, strict=True)
        if task.name in theirs
    }
    held_out = {name: choice.rows for name, choice in chosen.items() if choice.rows is not None}
    tasks = {name: _open(spec, name, choice.note) for name, choice in chosen.items()}
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
            theirs_scored = task_metrics(as_ours, champion[name][:, order], rows.label_ids)[metric]
            ours_scored = task_metrics(ours[name], challenger[name], rows.label_ids)[metric]
            figures = theirs_scored, ours_scored
            tasks[name] = compare(metric, *figures, spec.gate.allowed(name), len(rows), chosen[name].note)
    may_drop, may_be_unjudged = spec.gate.dropped_tasks == "allow", spec.gate.unjudged == "release"
    return conclude(tasks, dropped, may_drop, found.version, found.release, may_be_unjudged)


def _champion(store: FolderStore, may_be_unjudged: bool) -> _Champion | Verdict:
    """The served version, or why there is nothing to compare with."""
    releases = releases_log(store).entries()
    if not releases:
        return not_judged("nothing is released yet", judged_against=0)
    version, release = releases[-1].stable, len(releases)
    versions = versions_log(store).entries()
    held = "" if may_be_unjudged else f"; {HOLDS}"
    if not 1 <= version <= len(versions):
        return not_judged(f"the store has no version {version}{held}", version, release, may_be_unjudged)
    record = versions[version - 1]
    try:
        reader = ArtifactReader(store, record.artifact_id, record.manifest_sha256)
        if not reader.manifest.tasks:
            return not_judged(f"version {version} has no tasks", version, release)
        return _Champion(version, release, load_model(reader), known_rows(reader))
    except (CorruptArtifactError, SchemaVersionError) as error:
        # Holding a good model back because the served one is broken would help nobody who did not ask for it.
        return not_judged(f"version {version} cannot be loaded: {error}{held}", version, release, may_be_unjudged)


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
