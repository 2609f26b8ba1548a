"""Jobs off the wire."""

from __future__ import annotations

from typing import Any

from polyhead import results
from polyhead.readers.times import read_time
from polyhead.specs import from_struct, message_to_spec
from polyhead.v1 import training_pb2


def read_job(message: training_pb2.Job) -> results.Job:
    state = training_pb2.JobState.Name(message.state) if message.state in training_pb2.JobState.values() else ""
    name = state.removeprefix("JOB_STATE_")
    return results.Job(
        id=message.id,
        request_id=message.request_id,
        state=results.JobState.__members__.get(name, results.JobState.UNKNOWN),
        attempt=message.attempt,
        submitted_at=read_time(message.submitted_at) if message.HasField("submitted_at") else None,
        finished_at=read_time(message.finished_at) if message.HasField("finished_at") else None,
        spec=message_to_spec(message.spec),
        progress=_progress(message.progress) if message.HasField("progress") else None,
        metrics=from_struct(message.metrics),
        report=from_struct(message.report),
        version=message.version,
        error=results.JobError(message.error.code, message.error.message) if message.HasField("error") else None,
        cancel_requested=message.cancel_requested,
        verdict=message.verdict,
        released=message.released,
    )


def read_plan(message: training_pb2.TrainJobResponse) -> dict[str, Any]:
    """What a validated spec comes to; empty where the server does not know the base model."""
    return from_struct(message.plan)


def read_submitted(message: training_pb2.TrainJobResponse) -> results.Job | None:
    """The accepted job; None if the spec was only validated."""
    return read_job(message.job) if message.HasField("job") else None


def _progress(message: training_pb2.JobProgress) -> results.JobProgress:
    return results.JobProgress(
        stage=message.stage,
        step=message.step,
        steps=message.steps,
        epoch=message.epoch,
        loss_by_task=dict(message.loss_by_task),
        examples_per_s=message.examples_per_s,
        eta_s=message.eta_s,
        thawed=message.thawed,
        trainable_share=message.trainable_share,
        search=_search(message.search) if message.HasField("search") else None,
        resumed_at=message.resumed_at,
        best_step=message.best_step,
        best_value=message.best_value,
    )


def _search(message: training_pb2.SearchProgress) -> results.SearchProgress:
    return results.SearchProgress(
        trial=message.trial,
        trials=message.trials,
        best=message.best if message.HasField("best") else None,
        done=tuple(
            results.Trial(
                number=row.number,
                parameters=dict(row.parameters),
                state=row.state,
                value=row.value if row.HasField("value") else None,
                seconds=row.seconds,
                error=row.error,
            )
            for row in message.done
        ),
    )
