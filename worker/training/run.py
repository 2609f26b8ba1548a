"""Experiments without server and queue: `python -m worker.training.run RECIPE.yaml --data-root D --store S`.

Runs the very code of a job in this process, from the accepted spec to the artifact in the store. Publishes nothing.
Under torchrun every process runs it, on one machine or several, and rank 0 evaluates and saves:

    torchrun --nnodes 2 --nproc-per-node 1 --rdzv-backend c10d --rdzv-endpoint HOST:PORT \\
        -m worker.training.run RECIPE.yaml --data-root D --store S
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from shared.errors import InvalidInputError
from shared.spec import JobSpec, parse_spec
from shared.store.folder import open_store
from shared.store.jobs import JobStore
from shared.store.records import new_id
from worker.training.process import describe_failure, use_threads
from worker.training.protocol import Failure, Progress, Result, TrainerInput

_FIGURES = ("accuracy", "macro_f1", "macro_recall", "cross_entropy", "ece")
_CLASSIFIERS = ("model", "tfidf_lr", "majority")
#: Seconds between two lines of progress in a log.
LOG_EVERY_S = 60.0


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    outcome = _run(options)
    if outcome is None:
        return 0
    if isinstance(outcome, Failure):
        print(f"{outcome.code}: {outcome.message}", file=sys.stderr)
        return 1
    if options.output:
        options.output.write_text(json.dumps(outcome.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")
    print(metrics_table(outcome.metrics))
    print(f"artifact {outcome.artifact_id}, manifest sha256 {outcome.manifest_sha256}")
    return 0


def is_launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worker.training.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", type=Path, help="a job spec as YAML")
    parser.add_argument("--data-root", type=Path, action="append", required=True, help="where its paths begin")
    parser.add_argument("--store", required=True, help="folder for the job and its artifact")
    parser.add_argument("--base-model", default="sentence-transformers/all-MiniLM-L6-v2", help="folder or hub id")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: one per core")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:0")
    parser.add_argument("--output", type=Path, help="write metrics and report here, as JSON")
    return parser


def _run(options: argparse.Namespace) -> Result | Failure | None:
    try:
        if is_launched() and os.environ.get("RANK") != "0":
            _train_along(options)
            return None
        job, _ = JobStore(open_store(options.store)).submit(f"run-{new_id()}", _read_recipe(options.recipe))
        work = _work(options, job.job_id)
        use_threads(work.threads)
        from worker.training.job import run_job

        return run_job(work, _ProgressPrinter())
    except Exception as error:  # noqa: BLE001 - told in the same words as in a job's record
        return describe_failure(error)


def _train_along(options: argparse.Namespace) -> None:
    """What a rank behind the first does: the job is what rank 0 says it is."""
    work = _work(options, "")
    use_threads(work.threads)
    from worker.training.ranks.peer import run_peer

    run_peer(work)


def _work(options: argparse.Namespace, job_id: str) -> TrainerInput:
    return TrainerInput(
        store_url=options.store,
        job_id=job_id,
        claim=0,
        base_model=options.base_model,
        data_roots=tuple(str(root.resolve()) for root in options.data_root),
        threads=options.threads,
        device=options.device,
    )


def _read_recipe(path: Path) -> JobSpec:
    try:
        body = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInputError(f"{path} cannot be read as a recipe: {error}") from None
    if not isinstance(body, dict):
        raise InvalidInputError(f"{path} is no recipe: it needs the fields of a job spec, such as tasks")
    return parse_spec(body)


class _ProgressPrinter:
    """On a terminal one line that changes; in a log the first and last step of a stage, and a line a minute between."""

    def __init__(self) -> None:
        self._printed_s = 0.0

    def __call__(self, event: Progress) -> None:
        is_last = event.step == event.steps
        if sys.stderr.isatty():
            start, end = "\r\033[K", "\n" if is_last else ""
        elif is_last or event.step == 0 or time.monotonic() - self._printed_s >= LOG_EVERY_S:
            start, end = "", "\n"
        else:
            return
        self._printed_s = time.monotonic()
        losses = "".join(f" {task} {loss:.4f}" for task, loss in event.loss_by_task.items())
        speed = f" {event.examples_per_s:.0f} rows/s, {event.eta_s:.0f} s left" if event.examples_per_s else ""
        print(f"{start}{event.stage} {event.step}/{event.steps}{losses}{speed}", end=end, file=sys.stderr, flush=True)


def metrics_table(metrics: dict[str, Any]) -> str:
    """All tasks and classifiers as a Markdown table, with the paired differences below."""
    lines = ["| task | classifier | rows | " + " | ".join(_FIGURES) + " |", "|---|---|" + "---:|" * (len(_FIGURES) + 1)]
    differences = []
    for task, of_task in metrics.items():
        for name in _CLASSIFIERS:
            if name in of_task:
                figures = " | ".join(f"{of_task[name][figure]:.4f}" for figure in _FIGURES)
                lines.append(f"| {task} | {name} | {of_task[name]['rows']:,} | {figures} |")
        if "vs_tfidf_lr" in of_task:
            ahead = of_task["vs_tfidf_lr"]
            differences.append(
                f"{task}: macro-F1 {ahead['macro_f1_difference']:+.4f} against tfidf_lr, "
                f"95 % interval {ahead['low']:+.4f} to {ahead['high']:+.4f}"
            )
    return "\n".join([*lines, "", *differences])


if __name__ == "__main__":
    sys.exit(main())
