"""Results as tables for people. Pure: what to print, not where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from polyhead.cli.output import age, local_time, shorten
from polyhead.results import Job, Prediction, Release, SentenceEmbedding, SentenceResult, ServerInfo, Version

METRIC_NAMES = ("accuracy", "macro_f1", "macro_recall", "ece", "cross_entropy")
SCORERS = {"model": "this model", "majority": "majority", "tfidf_lr": "TF-IDF + LR"}


def prediction_table(sentences: Sequence[str], results: Sequence[SentenceResult], version: int) -> Table:
    table = Table(title=f"predictions of version {version}", title_justify="left")
    table.add_column("sentence")
    tasks = list(dict.fromkeys(task for result in results for task in result.predictions))
    for task in tasks:
        table.add_column(task)
    has_vectors = any(result.embedding is not None for result in results)
    if has_vectors:
        table.add_column("embedding")
    for sentence, result in zip(sentences, results, strict=True):
        text = shorten(sentence) + (" [cut]" if result.truncated else "")
        answers = (result.predictions.get(task) for task in tasks)
        cells = [_answer(answer) if answer else "-" for answer in answers]
        if has_vectors:
            cells.append(_vector(result.embedding or ()))
        table.add_row(text, *cells)
    return table


def embedding_table(sentences: Sequence[str], embeddings: Sequence[SentenceEmbedding], version: int) -> Table:
    table = Table(title=f"embeddings of version {version}", title_justify="left")
    table.add_column("sentence")
    table.add_column("tokens", justify="right")
    table.add_column("vector")
    for sentence, item in zip(sentences, embeddings, strict=True):
        text = shorten(sentence) + (" [cut]" if item.truncated else "")
        table.add_row(text, str(item.token_count), _vector(item.values))
    return table


def similarity_table(sentences: Sequence[str], matrix: Sequence[Sequence[float]]) -> Table:
    table = Table(title="cosine similarity", title_justify="left")
    table.add_column("", justify="right")
    table.add_column("sentence")
    for number in range(1, len(sentences) + 1):
        table.add_column(str(number), justify="right", no_wrap=True)
    for number, (sentence, row) in enumerate(zip(sentences, matrix, strict=True), start=1):
        table.add_row(str(number), shorten(sentence, 48), *(f"{value:.2f}" for value in row))
    return table


def metrics_table(metrics: Mapping[str, Any]) -> Table:
    """Each task's metrics beside those of the two baselines on the same rows."""
    table = Table(title="metrics on the test rows", title_justify="left")
    table.add_column("task")
    table.add_column("scored by")
    for name in METRIC_NAMES:
        table.add_column(name, justify="right")
    for task, scorers in _by_task(metrics):
        for scorer, title in SCORERS.items():
            if scorer in scorers:
                cells = (_number(scorers[scorer].get(name)) for name in METRIC_NAMES)
                table.add_row(task if scorer == "model" else "", title, *cells)
        table.add_section()
    return table


def rows_table(report: Mapping[str, Any]) -> Table:
    """Rows that each task used, and those it dropped by reason."""
    table = Table(title="rows", title_justify="left")
    table.add_column("task")
    for name in ("read", "train", "validation", "test"):
        table.add_column(name, justify="right")
    table.add_column("dropped")
    for task, body in _by_task(report.get("data", {})):
        rows = body.get("rows", {})
        dropped = ", ".join(f"{count} {reason}" for reason, count in body.get("dropped", {}).items())
        parts = (str(rows.get(name, "-")) for name in ("train", "validation", "test"))
        table.add_row(task, str(body.get("rows_read", "-")), *parts, dropped or "none")
    return table


def jobs_table(jobs: Sequence[Job]) -> Table:
    """One line a job, whatever its names and errors are; `jobs show` and --json have them whole."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=True)
    # Ids are needed whole: `jobs show` takes them.
    for name in ("job", "state", "age", "version"):
        table.add_column(name, no_wrap=True)
    table.add_column("tasks", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("stage or error", no_wrap=True, overflow="ellipsis", ratio=2)
    now = datetime.now(UTC)
    for job in jobs:
        tasks = ", ".join(str(task.get("name", "?")) for task in job.spec.get("tasks", ()))
        state = job.state.value + (f" #{job.attempt}" if job.attempt > 1 else "")
        table.add_row(
            job.id, state, age(job.submitted_at, now), str(job.version or "-"), tasks or "-", _stage_or_error(job)
        )
    return table


def _stage_or_error(job: Job) -> str:
    if job.error:
        return shorten(f"{job.error.code}: {job.error.message}", 200)
    if job.is_finished or not job.progress:
        return "-"
    progress = job.progress
    stage = f"{progress.stage} {progress.step}/{progress.steps}" if progress.steps else progress.stage
    return f"cancelling, {stage}" if job.cancel_requested else stage


def versions_table(versions: Sequence[Version], info: ServerInfo) -> Table:
    """`info` tells whether what is stable answers on this server."""
    table = Table("version", "answers", "parent", "job", "made", "verdict", "macro_f1 by task")
    for version in versions:
        scores = ", ".join(
            f"{task} {_number(body.get('model', {}).get('macro_f1'))}" for task, body in _by_task(version.metrics)
        )
        table.add_row(
            str(version.number),
            _roles(version, _stand_in(info)),
            str(version.parent or "-"),
            version.job_id,
            local_time(version.created_at),
            version.verdict or "-",
            scores or "-",
        )
    return table


def server_table(info: ServerInfo) -> Table:
    table = Table(show_header=False)
    table.add_row("server", f"polyhead {info.server_version}, {info.engine} {info.precision} on {info.device}")
    if info.model is None:
        table.add_row("model", "none loaded yet")
    else:
        model = info.model
        table.add_row("model", f"version {model.version} (release {model.release}), artifact {model.artifact_id}")
        table.add_row("base model", model.base_model)
        table.add_row("encoder", f"{model.encoder_id}, {model.dimensions} dimensions, {model.max_tokens} tokens")
        for task in model.tasks:
            kind = " (any number of them)" if task.kind == "multi_label" else ""
            table.add_row("task", f"{task.name}: {', '.join(task.labels)}{kind}")
        if not model.tasks:
            table.add_row("task", "none yet; train some with `polyhead train`")
    limits = info.limits
    table.add_row("newest release", str(info.release or "-"))
    table.add_row(
        "limits",
        f"{limits.max_sentences_per_request} sentences a request, {limits.max_sentence_bytes} bytes a sentence, "
        f"{limits.max_queue_tokens} tokens queued, {limits.max_message_bytes} bytes a message, "
        f"{limits.max_upload_bytes} bytes an upload",
    )
    for state in info.models:
        words = f"version {state.version} {state.state.value.lower()}"
        table.add_row("loaded", words + (f", answers {', '.join(state.roles)}" if state.roles else ""))
    if info.routing and info.routing.hold:
        resume = f"`polyhead models promote {info.routing.stable} --resume-automatic` lets them go on"
        table.add_row("on hold", f"finished jobs are kept, not released; {resume}")
    if info.routing and (stand_in := _stand_in(info)):
        table.add_row("stable", f"version {info.routing.stable}, {stand_in}")
    for refused in info.refused:
        table.add_row("refused", f"version {refused.version} of release {refused.release}: {refused.reason}")
    if info.trouble:
        table.add_row("trouble", f"releases cannot be followed: {info.trouble}")
    return table


def _answer(answer: Prediction) -> str:
    """A label with its score; of a multi-label task each that the text has, or the nearest one that it has not."""
    if answer.label:
        return f"{answer.label} {answer.score:.3f}"
    if answer.labels:
        return ", ".join(f"{label} {answer.scores[label]:.3f}" for label in answer.labels)
    nearest = max(answer.scores, key=lambda label: answer.scores[label])
    return f"none ({nearest} {answer.scores[nearest]:.3f})"


def releases_table(releases: Sequence[Release]) -> Table:
    """Routing tables, one a line."""
    table = Table("release", "stable", "aliases", "canary", "automatic", "made", "by", "why")
    for release in releases:
        aliases = ", ".join(f"{name} {version}" for name, version in release.aliases.items())
        canary = f"{release.canary.version} ({release.canary.share:.0%})" if release.canary else "-"
        table.add_row(
            str(release.number),
            str(release.stable),
            aliases or "-",
            canary,
            "on hold" if release.hold else "yes",
            local_time(release.created_at),
            release.by,
            shorten(release.why, 80),
        )
    return table


def _stand_in(info: ServerInfo) -> str:
    """Which version answers here in place of the stable one, and why; empty: stable does, or there is none."""
    stable = info.routing.stable if info.routing else 0
    if not stable or (info.model and info.model.version == stable):
        return ""
    is_refused = any(refused.version == stable for refused in info.refused)
    answers = f"version {info.model.version} answers" if info.model else "no version answers"
    return f"{'refused' if is_refused else 'not loaded yet'} here: {answers}"


def _roles(version: Version, stand_in: str) -> str:
    if version.is_deleted:
        return "deleted"
    canary = [f"canary {version.canary_share:.0%}"] if version.canary_share else []
    stable = f"stable, {stand_in}" if stand_in else "stable"
    return ", ".join([*([stable] if version.is_stable else []), *canary, *version.aliases])


def _by_task(metrics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(task, body) for task, body in metrics.items() if isinstance(body, Mapping)]


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "-"


def _vector(values: Sequence[float]) -> str:
    shown = " ".join(f"{value:.3f}" for value in values[:4])
    return f"{shown} … ({len(values)})" if len(values) > 4 else shown
