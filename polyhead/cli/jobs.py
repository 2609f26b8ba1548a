"""`polyhead jobs list | show | watch | cancel`."""

from __future__ import annotations

from typing import Annotated

import typer
import yaml

from polyhead.cli.evaluation import evaluation_tables, stopping_note
from polyhead.cli.exits import ExitStatus
from polyhead.cli.output import errors_out, local_time, out, print_json, to_plain
from polyhead.cli.progress import follow
from polyhead.cli.session import connect
from polyhead.cli.tables import jobs_table
from polyhead.cli.training import fail_unless_it_may_succeed, finish, wait_until_served, watch_to_end
from polyhead.cli.trials import is_report_only, trial_table
from polyhead.results import Job, JobState

app = typer.Typer(help="Training jobs.", no_args_is_help=True, rich_markup_mode=None)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_jobs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with connect(context) as client:
        jobs = client.list_jobs(limit)
    if as_json:
        print_json(jobs)
    else:
        out.print(jobs_table(jobs))


@app.command()
def show(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job with its spec and, at its end, metrics. The exit status says whether it can still succeed."""
    with connect(context) as client:
        job = client.get_job(job_id)
    if not as_json:
        out.print(jobs_table([job]))
        body = {
            "submitted": local_time(job.submitted_at),
            "finished": local_time(job.finished_at),
            "spec": to_plain(job.spec),
        }
        out.print(yaml.safe_dump(body, sort_keys=False, allow_unicode=True).rstrip())
        labels = {task.get("name", ""): task.get("labels", ()) for task in job.spec.get("tasks", ())}
        for table in evaluation_tables(job.metrics, labels):
            out.print(table)
        if note := stopping_note(job.report):
            out.print(note, soft_wrap=True)
        trials = None if job.state is JobState.SUCCEEDED else trial_table(job)  # `finish` shows those of a result
        if trials is not None:
            out.print(trials)
    finish(job, as_json)


@app.command()
def watch(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Follow a job until its model is served. With --json: one line of JSON for each change."""
    with connect(context) as client:
        job = follow(client, job_id, _print_line) if as_json else watch_to_end(client, job_id)
        if as_json:
            fail_unless_it_may_succeed(job)
        else:
            finish(job, as_json=False)
        if not is_report_only(job):
            wait_until_served(client, job, as_json)


@app.command()
def cancel(
    context: typer.Context,
    job_id: JobId,
    wait: Annotated[bool, typer.Option(help="Return when a running job has been stopped.")] = True,
    as_json: AsJson = False,
) -> None:
    """End a queued or running job; nothing of it is published. Cancelling a cancelled job again is fine."""
    with connect(context) as client:
        job = client.cancel_job(job_id)
        if wait and not job.is_finished:
            errors_out.print(f"job {job.id} is running; waiting for its worker to stop it ...")
            job = follow(client, job_id, lambda _: None)
    if as_json:
        print_json(job)
    elif job.state is JobState.CANCELLED:
        out.print(f"job {job.id} is cancelled")
    elif job.is_finished:
        errors_out.print(f"error: job {job.id} has {job.state.value.lower()} before it could be stopped", style="red")
    else:
        out.print(f"job {job.id} will be stopped by its worker; see: polyhead jobs show {job.id}")
    if job.is_finished and job.state is not JobState.CANCELLED:
        raise typer.Exit(ExitStatus.FAILED)


def _print_line(job: Job) -> None:
    print_json(job, indent=None)
