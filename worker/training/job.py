"""One training job from spec to artifact: read, load, train, evaluate, compare, save.

Owns the order of the stages and nothing of what happens in them. Runs in the trainer process's main thread; the caller
has set the thread counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shared.continuing import require_fit
from shared.errors import InvalidInputError
from shared.model import MultiTaskModel, Task
from shared.model_files import LoadedModel
from shared.spec import JobSpec
from shared.store.artifacts import REPORT_PAGE
from shared.store.folder import FolderStore, open_store
from shared.store.jobs import JobStore
from shared.text import TextEncoder
from worker.data.ledger import TaskData
from worker.gate.judging import judge
from worker.gate.verdict import REPORT_KEY, Verdict
from worker.training.artifact import TrainedModel, describe_data, save_artifact
from worker.training.baselines import C_GRID
from worker.training.candidate import Candidate
from worker.training.checkpointing import CheckpointKeeper
from worker.training.data_record import require_recorded
from worker.training.evaluate import Evaluation, baseline_metrics, evaluate_model
from worker.training.lineage import describe_lineage
from worker.training.parent import KNOWN_FILE, Parent, known_rows_file
from worker.training.process import give_back_memory, peak_memory_mib
from worker.training.progress import ProgressReporter
from worker.training.protocol import Progress, Result, TrainerInput
from worker.training.ranks.launch import led_group
from worker.training.ranks.peer import gather
from worker.training.report_page import report_page
from worker.training.search.records import trials_log
from worker.training.search.searching import SearchTeller, search


def run_job(work: TrainerInput, emit: Callable[[Progress], None]) -> Result:
    """Train the job and save its artifact.

    Raises:
        PolyheadError: if spec, data, base model or store cannot be used, or training diverges.
    """
    store = open_store(work.store_url)
    jobs = JobStore(store)
    spec = jobs.get(work.job_id).accepted.spec
    teller = SearchTeller(emit)
    progress = ProgressReporter(teller.emit)
    report: dict[str, Any] = {}
    with led_group(work, spec.distributed.processes) as ranks:
        ranks.agree(spec.model_dump(mode="json"))
        rows = gather(work, spec, store, ranks, progress)
        require_recorded(rows.sha256, jobs.record_data(work.job_id, rows.sha256))
        report["data"] = describe_data([task.name for task in spec.tasks], rows.data)
        if rows.parent is not None:
            report["base"] = rows.parent.describe(spec)

        def prepare(spec: JobSpec) -> Candidate:
            if rows.parent is not None:  # a trial may train what the job itself would keep
                require_fit(spec, rows.parent.artifact.manifest.tasks)
            return Candidate(spec, rows.preparation, ranks.device_for(work.device), progress)

        if spec.search is None:
            candidate = prepare(spec)
            checkpoints = jobs.checkpoints(work.job_id)
            with CheckpointKeeper(checkpoints, work.claim, spec.checkpoint, work.checkpoint_s, rows.sha256) as keeper:
                candidate.fit(keeper=keeper, ranks=ranks)
        elif ranks.size > 1:
            raise InvalidInputError("a search runs in one process; start it without torchrun")
        else:
            found = search(spec, trials_log(store, work.job_id), prepare, teller.tell)
            report["search"] = found.report
            if found.candidate is None:
                progress.finish()
                report["seconds"] = progress.seconds
                return Result(artifact_id="", manifest_sha256="", metrics={}, report=report)
            candidate = found.candidate
        report["processes"] = ranks.size
    candidate.finish()
    return _publish(candidate, store, work, rows.data, report, progress, rows.parent)


def _publish(
    candidate: Candidate,
    store: FolderStore,
    work: TrainerInput,
    data: Sequence[TaskData],
    report: dict[str, Any],
    progress: ProgressReporter,
    parent: Parent | None,
) -> Result:
    """Evaluate a trained candidate, compare it, save it."""
    spec, prepared = candidate.spec, candidate.prepared
    give_back_memory()
    evaluation = evaluate_model(prepared.model, prepared.corpora, candidate.compute, progress, spec.optimizer.seed)
    metrics = _compare(spec, prepared.model.tasks, data, evaluation, progress)
    give_back_memory()
    model = parent.with_carried(prepared.model, spec) if parent else prepared.model
    verdict = _judge(store, candidate, model, data, parent, progress)
    progress.start("saving")
    described = report["data"]
    if parent is not None:
        manifest = parent.artifact.manifest
        metrics = parent.with_records(manifest.metrics, metrics, spec)
        described = parent.with_records(manifest.data, described, spec)
    lineage = describe_lineage(
        work.job_id, work.claim, spec, prepared.base.name, spec.base.version or None, report["data"]
    )
    report = {**candidate.report, **_describe_tasks(prepared.model.tasks), **report}
    files = {
        KNOWN_FILE: known_rows_file(parent, [task.name for task in spec.tasks], data),
        REPORT_PAGE: report_page(spec, prepared.model.tasks, data, evaluation, metrics, report, lineage, verdict),
    }
    trained = TrainedModel(model, prepared.base, spec, lineage)
    saved = save_artifact(store, f"{work.job_id}-{work.claim}", trained, described, metrics, verdict, files)
    progress.finish()
    report |= {
        "validation": evaluation.validation,
        REPORT_KEY: verdict.model_dump(mode="json"),
        "seconds": progress.seconds,
        "peak_memory_mib": peak_memory_mib(),
    }
    return Result(artifact_id=saved.artifact_id, manifest_sha256=saved.manifest_sha256, metrics=metrics, report=report)


def _compare(
    spec: JobSpec, tasks: Sequence[Task], data: Sequence[TaskData], evaluation: Evaluation, progress: ProgressReporter
) -> dict[str, Any]:
    """Metrics of each task: see worker.training.evaluate for their layout."""
    metrics: dict[str, Any] = {name: {"model": figures} for name, figures in evaluation.test.items()}
    if spec.baselines:
        progress.start("baselines", steps=len(spec.tasks) * len(C_GRID))
        for task, task_data, scores in zip(tasks, data, evaluation.scores, strict=True):
            metrics[task.name] |= baseline_metrics(task, task_data, scores, spec.optimizer.seed, progress.advance)
    return metrics


def _judge(
    store: FolderStore,
    candidate: Candidate,
    model: MultiTaskModel,
    data: Sequence[TaskData],
    parent: Parent | None,
    progress: ProgressReporter,
) -> Verdict:
    """What the gate says of the model as it will be served."""
    prepared = candidate.prepared
    text = TextEncoder(prepared.base.tokenizer_files["tokenizer.json"], prepared.base.max_tokens)
    known = parent.known if parent else {}
    return judge(store, candidate.spec, LoadedModel(model, text), data, known, candidate.compute.device, progress)


def _describe_tasks(tasks: Sequence[Task]) -> dict[str, Any]:
    """What calibration found."""
    thresholds = {task.name: dict(zip(task.labels, task.thresholds, strict=True)) for task in tasks if task.thresholds}
    temperatures = {task.name: task.temperature for task in tasks}
    return {"temperatures": temperatures, **({"thresholds": thresholds} if thresholds else {})}
