"""Follows a job to its end: a live bar on a terminal, a line now and then elsewhere. Writes to stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from polyhead.cli.output import errors_out
from polyhead.cli.trials import headline, trial_line
from polyhead.client import Client
from polyhead.errors import UnavailableError
from polyhead.results import Job, JobProgress, SearchProgress

#: Between two lines of one stage, where there is no terminal.
LINE_EVERY_S = 5.0
#: A server that restarts meanwhile is waited for so long.
PATIENCE_S = 60.0


def follow(client: Client, job_id: str, show: Callable[[Job], None]) -> Job:
    """Hand every change of the job to `show`; return the job as it ended. Survives a restart of the server."""
    last: Job | None = None
    while last is None or not last.is_finished:
        try:
            for job in client.watch_job(job_id):
                last = job
                show(job)
        except UnavailableError:
            errors_out.print("the server went away; waiting for it ...")
            client.wait_until_ready(PATIENCE_S)
    return last


class JobDisplay:
    """Shows a job's progress while it is entered; `show` takes each change."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        if errors_out.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TaskProgressColumn(),
                TextColumn("{task.fields[detail]}", markup=False),
                TimeElapsedColumn(),
                console=errors_out,
            )
            self._row = self._bar.add_task("queued", total=None, detail="")
        self._last_stage = ""
        self._num_trials_shown = 0
        self._next_line_s = 0.0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, job: Job) -> None:
        stage = job.progress.stage if job.progress and job.progress.stage else job.state.value.lower()
        if job.is_finished:
            stage = job.state.value.lower()
        progress = None if job.is_finished else job.progress
        if progress is not None and progress.search is not None:
            self._show_trials(progress.search)
        if self._bar is not None:
            self._show_bar(stage, progress, job.is_finished)
        else:
            self._show_line(stage, progress)

    def _show_trials(self, search: SearchProgress) -> None:
        for trial in search.done[self._num_trials_shown :]:
            errors_out.print(trial_line(trial), markup=False, soft_wrap=True)
        self._num_trials_shown = max(self._num_trials_shown, len(search.done))

    def _show_bar(self, stage: str, progress: JobProgress | None, is_finished: bool) -> None:
        assert self._bar is not None
        steps = progress.steps if progress else 0
        total, done = (1, 1) if is_finished else (steps or None, progress.step if progress else 0)
        detail = "  ".join(_details(progress)) if progress else ""
        self._bar.update(self._row, description=stage, total=total, completed=done, detail=detail)

    def _show_line(self, stage: str, progress: JobProgress | None) -> None:
        if stage == self._last_stage and time.monotonic() < self._next_line_s:
            return
        self._last_stage = stage
        self._next_line_s = time.monotonic() + LINE_EVERY_S
        errors_out.print(" · ".join([stage, *(_details(progress) if progress else ())]))


def _details(progress: JobProgress) -> Iterator[str]:
    if progress.search:
        yield headline(progress.search)
    if progress.steps:
        yield f"step {progress.step}/{progress.steps}"
    if progress.resumed_at:
        yield f"resumed at step {progress.resumed_at}"
    if progress.best_step:
        yield f"best {progress.best_value:.3f} at step {progress.best_step}"
    if progress.thawed and progress.thawed != "everything":
        yield f"thawed: {progress.thawed} ({progress.trainable_share:.1%})"
    if progress.loss_by_task:
        yield "loss " + ", ".join(f"{task} {loss:.3f}" for task, loss in sorted(progress.loss_by_task.items()))
    if progress.examples_per_s:
        yield f"{progress.examples_per_s:.0f} examples/s"
    if progress.eta_s:
        minutes, seconds = divmod(round(progress.eta_s), 60)
        yield f"{minutes}:{seconds:02d} left"
