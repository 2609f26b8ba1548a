"""`polyhead demo`: the main job from data to predictions, on this machine, in one go."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Annotated

import typer

from polyhead.cli.demo_data import DataSource, DemoData, choose
from polyhead.cli.exits import ExitStatus, report, status_of
from polyhead.cli.output import errors_out, out
from polyhead.cli.progress import JobDisplay, follow
from polyhead.cli.recipes import load_recipe
from polyhead.cli.serving import Outcome, await_served
from polyhead.cli.signals import stop_signals
from polyhead.cli.similarity import cosine_matrix
from polyhead.cli.tables import prediction_table, server_table, similarity_table
from polyhead.cli.training import show_result
from polyhead.client import Client
from polyhead.errors import PolyheadError
from polyhead.results import Job, JobState
from polyhead.stack import Stack

SENTENCES = (
    "What a lovely morning, the concert tickets arrived!",
    "My train is late again and nobody tells us anything.",
    "The meeting moved to three o'clock in room twelve.",
    "Thank you so much for your help, you saved my week.",
    "The update broke my phone and support does not answer.",
    "Dinner was fine, nothing special.",
    "People like you should be thrown out of this country.",
    "Our new neighbours brought cake and we talked all evening.",
    "Those people are vermin and do not deserve to live here.",
    "The library opens at nine and closes at six.",
)
COMPARED = (
    "The weather is wonderful today.",
    "It is so sunny outside.",
    "My phone stopped working after the update.",
    "Since the last update my mobile is broken.",
    "The library opens at nine.",
)


class DemoError(PolyheadError):
    """The demo did not get where it should."""


def demo(
    data: Annotated[
        DataSource, typer.Option(help="auto: the mirror if DATA_MIRROR names one, else the samples.")
    ] = DataSource.AUTO,
    state: Annotated[Path, typer.Option(help="Folder for store and logs; a second run goes on in it.")] = Path(
        ".polyhead/demo"
    ),
    catalogue: Annotated[Path | None, typer.Option(help="Another catalogue for --data public.")] = None,
) -> None:
    """Train two tasks, publish, hot-reload and predict on this machine; ends by itself."""
    started_s = time.monotonic()
    logs = state.resolve() / "logs"
    try:
        with stop_signals():
            chosen = choose(data, state.resolve(), catalogue)
            out.print(f"data: {chosen.why}", soft_wrap=True)
            with Stack(state, data_roots=[chosen.root], say=errors_out.print) as stack:
                _run(stack, chosen)
    except PolyheadError as error:
        report(error)
        errors_out.print(f"the logs are in {logs}", soft_wrap=True)
        # Nothing of ours was unreachable for want of a server: the demo brings its own.
        raise typer.Exit(max(ExitStatus.FAILED, min(status_of(error), ExitStatus.USAGE))) from None
    out.print(f"done in {time.monotonic() - started_s:.0f} s; nothing is left running, the versions are in {state}")


def _run(stack: Stack, chosen: DemoData) -> None:
    with Client(stack.target) as client:
        before = client.server_info()
        out.print(server_table(before))
        old = before.model.version if before.model else 0
        job = client.train_job(load_recipe(chosen.recipe), request_id=f"demo-{uuid.uuid4().hex}")
        out.print(f"job {job.id} accepted, recipe {chosen.recipe.name}; version {old} keeps serving", soft_wrap=True)
        ended = _watch(client, stack, job.id)
        show_result(ended)
        if ended.is_kept:
            raise DemoError(f"version {ended.version} is kept and not released: {ended.verdict}")
        _await_switch(client, stack, old, ended.version)
        answer = client.predict(SENTENCES)
        out.print(prediction_table(SENTENCES, answer.results, answer.model_version))
        vectors = [item.values for item in client.embed(COMPARED)]
        out.print(similarity_table(COMPARED, cosine_matrix(vectors)))
        if answer.model_version != ended.version:
            raise DemoError(f"version {answer.model_version} answered, although version {ended.version} is served")


def _watch(client: Client, stack: Stack, job_id: str) -> Job:
    def show(job: Job) -> None:
        stack.check()
        display.show(job)

    with JobDisplay() as display:
        job = follow(client, job_id, show)
    if job.state is not JobState.SUCCEEDED:
        reason = f"{job.error.code}: {job.error.message}" if job.error else job.state.value
        raise DemoError(f"the job did not succeed: {reason}")
    return job


def _await_switch(client: Client, stack: Stack, old: int, new: int) -> None:
    """Wait until the same server process serves `new`."""
    assert stack.server is not None
    process = stack.server.pid
    switch = await_served(client, new, check=stack.check)
    if switch.outcome is not Outcome.SERVED:
        raise DemoError(switch.line)
    out.print(f"the server (process {process}, not restarted) switched from version {old} to version {new}")
