"""Jobs as messages. Pure."""

from __future__ import annotations

from polyhead.specs import spec_to_message, to_struct
from polyhead.v1 import training_pb2
from server.jobs.book import JobView
from server.rpc.timestamps import timestamp


def job_message(view: JobView) -> training_pb2.Job:
    """The wire's Job."""
    job, result = view.job, view.job.result
    message = training_pb2.Job(
        id=job.job_id,
        request_id=job.accepted.request_id,
        state=training_pb2.JobState.Value(f"JOB_STATE_{job.state}"),
        attempt=job.num_claims,
        submitted_at=timestamp(job.accepted.created_at),
        spec=spec_to_message(job.accepted.spec.model_dump(mode="json", exclude_none=True)),
        version=view.version,
        cancel_requested=view.cancel_requested,
        verdict=view.verdict,
        released=view.is_released,
    )
    if result is not None:
        message.finished_at.CopyFrom(timestamp(result.created_at))
        message.metrics.CopyFrom(to_struct(result.metrics))
        message.report.CopyFrom(to_struct(result.report))
    last = job.log[-1] if job.log else None
    if last is not None and last.error_code:
        message.error.CopyFrom(training_pb2.JobError(code=last.error_code, message=last.error_message))
    if view.progress is not None:
        message.progress.CopyFrom(
            training_pb2.JobProgress(**view.progress.model_dump(exclude={"claim"}, exclude_none=True))
        )
    return message
