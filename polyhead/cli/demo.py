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
from polyhead.cli.signals import stop_signals
from polyhead.cli.similarity import cosine_matrix
from polyhead.cli.tables import metrics_table, prediction_table, rows_table, server_table, similarity_table
from polyhead.client import Client
from polyhead.errors import PolyheadError
from polyhead.results import Job, JobState
from polyhead.stack import Stack, StackError

#: A server looks for releases every half second, then loads, verifies and warms the new model.
SWITCH_S = 60.0

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
        _show_result(_watch(client, stack, job.id))
        new = _await_switch(client, stack, old)
        answer = client.predict(SENTENCES)
        out.print(prediction_table(SENTENCES, answer.results, answer.model_version))
        vectors = [item.values for item in client.embed(COMPARED)]
        out.print(similarity_table(COMPARED, cosine_matrix(vectors)))
        if answer.model_version != new:
            raise DemoError(f"version {answer.model_version} answered, although version {new} is served")


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


def _show_result(job: Job) -> None:
    out.print(rows_table(job.report))
    out.print(metrics_table(job.metrics))
    out.print(f"version {job.version} published")


def _await_switch(client: Client, stack: Stack, old: int) -> int:
    """Wait until the same server process serves something newer than `old`; return that version."""
    assert stack.server is not None
    process = stack.server.pid
    deadline = time.monotonic() + SWITCH_S
    while True:
        stack.check()
        info = client.server_info()
        new = info.model.version if info.model else 0
        if new != old:
            out.print(f"the server (process {process}, not restarted) switched from version {old} to version {new}")
            return new
        if time.monotonic() > deadline:
            refused = "; ".join(item.reason for item in info.refused)
            raise StackError(f"the server still serves version {old} after {SWITCH_S:g} s. {refused}")
        time.sleep(0.2)
