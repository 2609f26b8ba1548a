"""`polyhead train`: a recipe or a few options in, a published version out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from polyhead.cli import baselines
from polyhead.cli.continuing import LOOKED_THROUGH, announce, continue_from, lineage_notes, resolve_version
from polyhead.cli.exits import ExitStatus, UsageError, status_of
from polyhead.cli.output import errors_out, out, print_json
from polyhead.cli.plans import rates_table, schedule_lines
from polyhead.cli.progress import JobDisplay, follow
from polyhead.cli.recipes import load_recipe, override, spec_from_options
from polyhead.cli.serving import Outcome, await_served
from polyhead.cli.session import connect
from polyhead.cli.tables import metrics_table, rows_table
from polyhead.cli.trials import is_report_only, outcome_line, trial_table
from polyhead.cli.unjudged import unjudged_notes
from polyhead.cli.uploads import upload_local_files
from polyhead.client import Client
from polyhead.errors import FieldViolation, InvalidArgumentError, RecipeError
from polyhead.results import Job, JobState

Texts = list[str] | None
NOTHING_NAMED = (
    "nothing to train: name a recipe file, or describe one task with --task, --labels and --data. For example:\n"
    "  polyhead train recipes/demo-samples.yaml\n"
    "  polyhead train --task team --labels billing,shipping,other --data team.csv\n"
    "More: polyhead train --help"
)


def train(
    context: typer.Context,
    recipe: Annotated[Path | None, typer.Argument(metavar="RECIPE.yaml", help="The job's spec; see recipes/.")] = None,
    task: Annotated[Texts, typer.Option(help="Without a recipe: a task's name; repeat for several.")] = None,
    labels: Annotated[Texts, typer.Option(help="The task's labels in output order: a,b,c.")] = None,
    data: Annotated[
        Texts, typer.Option(help="The task's file: of this machine, else below a data root of the worker.")
    ] = None,
    text_column: Annotated[Texts, typer.Option(help="Column of the text. Default: text.")] = None,
    label_column: Annotated[Texts, typer.Option(help="Column of the label. Default: label.")] = None,
    preset: Annotated[Texts, typer.Option(help="A known layout: tweet-sentiment, hate-speech-curated.")] = None,
    base_version: Annotated[
        str | None, typer.Option(help="Start from this version: its number, stable, or an alias such as latest.")
    ] = None,
    settings: Annotated[Texts, typer.Option("--set", help="Override a field: optimizer.epochs=1. May repeat.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Makes repeating this call safe: same id, same job.")] = None,
    upload: Annotated[bool, typer.Option(help="Send files of this machine that --data names to the server.")] = True,
    watch: Annotated[bool, typer.Option(help="Follow the job until its model is served.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Let the server check the spec, not the data; queue nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the job, or with --dry-run the violations, as JSON.")
    ] = False,
) -> None:
    """Train tasks, publish the model, and wait until the server serves it.

    Without --base-version the new model has exactly the tasks of this job, trained from the base model, and it replaces
    the served one with all its tasks. With it the job starts from that version: tasks of the same name and labels go on
    from their heads, and its other tasks are kept, bit by bit, while the encoder stays as it is.

    A file of this machine that --data names is uploaded, so the worker may be anywhere; in a recipe write
    `train: upload:PATH`. Any other path begins at a data root of the worker.

    A recipe starts from the spec's defaults. The form with --task starts from settings for small and large files: top
    layer 1e-4, 0.9 of it for each layer below, heads 1e-3, batches of 16, two epochs and at least 200 steps; change
    them with --set, for example --set optimizer.min_steps=0.

    \b
    Examples:
      polyhead train recipes/demo-samples.yaml --set optimizer.epochs=2
      polyhead train --task team --labels billing,shipping,other --data team.csv
      polyhead train --task mood --labels bad,good --data mood.csv --task team --labels a,b --data team.csv
      polyhead train --base-version stable --task team --labels billing,shipping,other --data team.csv
    """
    if recipe is None and not task:
        raise UsageError(NOTHING_NAMED)
    if recipe is not None and task:
        raise UsageError("name a recipe, or describe tasks with --task, --labels and --data; not both")
    options = (labels or [], data or [], text_column or [], label_column or [], preset or [])
    if recipe is not None and any(options):
        raise UsageError("--labels, --data and the column options go with --task; use --set to change a recipe")
    spec: dict[str, Any] = load_recipe(recipe) if recipe is not None else spec_from_options(task or [], *options)
    for setting in settings or []:
        override(spec, setting)
    with connect(context) as client:
        if base_version is not None:
            versions = client.list_versions(LOOKED_THROUGH)
            continue_from(spec, resolve_version(base_version, versions), is_direct=recipe is None)
        if dry_run:
            validate(client, spec, as_json)
            return
        announce(client.server_info().model, spec)
        upload_local_files(client, spec, are_paths_local=upload and recipe is None)
        job = client.train_job(spec, request_id)
        errors_out.print(f"job {job.id} accepted")
        if watch:
            job = watch_to_end(client, job.id)
        finish(job, as_json)
        if watch and not is_report_only(job):
            wait_until_served(client, job, as_json)


def validate(client: Client, spec: dict[str, Any], as_json: bool) -> None:
    """Let the server check the spec, and say what it finds; raises what is wrong, unless JSON says it.

    Raises:
        typer.Exit: after the JSON of a spec that is not valid, with the status of the error.
    """
    announce(client.server_info().model, spec)
    try:
        plan = client.plan_job(spec)
    except (RecipeError, InvalidArgumentError) as error:
        if not as_json:
            raise
        print_json({"valid": False, "violations": error.violations or (FieldViolation("", error.message),)})
        raise typer.Exit(status_of(error)) from None
    if as_json:
        print_json({"valid": True, "violations": [], "plan": plan})
        return
    if plan:
        show_plan(plan)
    errors_out.print(
        "the spec is valid; nothing was queued. Its data is not looked at here: the worker checks files, columns and "
        "labels when the job runs",
        soft_wrap=True,
    )


def show_plan(plan: Mapping[str, Any]) -> None:
    """What the job will train, at which rate and when."""
    out.print(rates_table(plan))
    for line in schedule_lines(plan):
        out.print(line, soft_wrap=True)


def watch_to_end(client: Client, job_id: str) -> Job:
    """Show the job's progress until it ends; on Ctrl-C, say how to come back."""
    try:
        with JobDisplay() as display:
            return follow(client, job_id, display.show)
    except KeyboardInterrupt:
        errors_out.print(f"stopped watching; the job goes on: polyhead jobs watch {job_id}")
        raise


def finish(job: Job, as_json: bool) -> None:
    """Print how a job stands; the exit status says whether it failed."""
    if as_json:
        print_json(job)
    elif job.state is JobState.SUCCEEDED:
        show_result(job)
    elif not job.is_finished:
        out.print(f"job {job.id} is {job.state.value}; follow it with: polyhead jobs watch {job.id}")
    fail_unless_it_may_succeed(job)


def show_result(job: Job) -> None:
    """What a job that succeeded learned, and from how much."""
    out.print(rows_table(job.report))
    for line in lineage_notes(job.report):
        out.print(line, soft_wrap=True)
    trials = trial_table(job)
    if trials is not None:
        out.print(trials)
        out.print(outcome_line(job))
    if is_report_only(job):
        out.print("nothing was published: the search was to be reported only")
        return
    out.print(metrics_table(job.metrics))
    for note in baselines.notes(job.metrics):
        out.print(note, style="yellow", soft_wrap=True)
    out.print(f"version {job.version} published" + (f"; gate: {job.verdict}" if job.verdict else ""), soft_wrap=True)
    for line in unjudged_notes(job):
        out.print(line, style="yellow", soft_wrap=True)


def wait_until_served(client: Client, job: Job, as_json: bool) -> None:
    """Return when the job's version answers requests, or a newer one does; stdout is left to JSON if asked for it.

    Raises:
        typer.Exit: with FAILED, if the gate or the server refuses it, or it does not get there in time.
    """
    if job.is_kept:
        say_why_kept(job)
        return
    switch = await_served(client, job.version)
    if switch.outcome is Outcome.SERVED:
        (errors_out if as_json else out).print(switch.line)
    elif switch.outcome in (Outcome.SUPERSEDED, Outcome.HELD):
        errors_out.print(f"note: {switch.line}", soft_wrap=True)
    else:
        errors_out.print(f"error: {switch.line}", style="red", soft_wrap=True)
        raise typer.Exit(ExitStatus.FAILED)


def say_why_kept(job: Job) -> None:
    """A version that is held was not to be released; one that the gate refused is a failure.

    Raises:
        typer.Exit: with FAILED, if the gate refused it.
    """
    is_held = job.verdict == "held"
    head, style = ("note", None) if is_held else ("error", "red")
    line = f"{head}: version {job.version} is kept and not released: {job.verdict}"
    errors_out.print(line, style=style, soft_wrap=True)
    if not is_held:
        raise typer.Exit(ExitStatus.FAILED)


def fail_unless_it_may_succeed(job: Job) -> None:
    """Exit with FAILED, and why, if the job ended without success."""
    if job.state in {JobState.FAILED, JobState.CANCELLED}:
        reason = f": {job.error.code}: {job.error.message}" if job.error else ""
        errors_out.print(f"error: job {job.id} {job.state.value.lower()}{reason}", style="red")
        raise typer.Exit(ExitStatus.FAILED)
