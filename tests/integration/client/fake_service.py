"""A Polyhead server with canned answers: real gRPC on a free port, no model. The one fake of the client's tests.

Runs its own event loop in a thread, so that sync, async and subprocess clients can all talk to it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from polyhead.specs import to_struct
from polyhead.v1 import (
    inference_pb2,
    inference_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

T = TypeVar("T")
SERVING = health_pb2.HealthCheckResponse.SERVING
METRICS = {
    "sentiment": {
        "model": {"accuracy": 0.9, "macro_f1": 0.88, "macro_recall": 0.87, "ece": 0.02, "cross_entropy": 0.3},
        "majority": {"accuracy": 0.4, "macro_f1": 0.2, "macro_recall": 0.33, "ece": 0.0, "cross_entropy": 1.1},
        "tfidf_lr": {"accuracy": 0.7, "macro_f1": 0.69, "macro_recall": 0.68, "ece": 0.05, "cross_entropy": 0.7},
    }
}


async def refuse(
    context: grpc.aio.ServicerContext[Any, Any], code: grpc.StatusCode, message: str, *details: Any
) -> NoReturn:
    """Abort as the real server does: google.rpc.Status in the trailer."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    context.set_trailing_metadata(
        (("grpc-status-details-bin", status.SerializeToString()), ("x-request-id", "made-by-the-server"))
    )
    await context.abort(code, message)


async def refuse_for(trouble: tuple[grpc.StatusCode, float | None], context: Any) -> NoReturn:
    """With RetryInfo if the trouble names seconds."""
    code, retry_after_s = trouble
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(int(1000 * (retry_after_s or 0)))
    await refuse(context, code, f"in trouble with {code.name}", *([] if retry_after_s is None else [retry]))


class FakeInference(inference_pb2_grpc.InferenceServiceServicer):
    """Sentences that hold a status's name end with that status; others are positive if they hold `good`.

    The next calls, whatever they hold, end with the statuses in `troubles`; `num_calls` counts all.
    """

    def __init__(self) -> None:
        self.troubles: deque[tuple[grpc.StatusCode, float | None]] = deque()
        self.num_calls = 0
        #: Sentences of the largest request.
        self.largest = 0
        self.version = 3
        #: So many calls apart another version takes the place of the last; 0: never.
        self.release_every = 0
        self._releases: dict[int, int] = {}
        self.last_predict = inference_pb2.PredictRequest()
        self.last_embed = inference_pb2.EmbedRequest()

    def release_after(self, num_calls: int, version: int) -> None:
        """From then on, only `version` answers."""
        self._releases[num_calls] = version

    async def Predict(self, request: inference_pb2.PredictRequest, context: Any) -> inference_pb2.PredictResponse:
        self.last_predict = request
        await self._fail_on_purpose(request.sentences, context)
        await self._check_version(request.model, context)
        return inference_pb2.PredictResponse(
            results=[self._result(text, request.include_embedding) for text in request.sentences],
            model_version=self.version,
            artifact_id=f"a{self.version}",
            encoder_id="enc",
            timing=inference_pb2.Timing(tokenize_ms=0.1, queue_ms=0.2, compute_ms=3.0, total_ms=3.5),
        )

    async def Embed(self, request: inference_pb2.EmbedRequest, context: Any) -> inference_pb2.EmbedResponse:
        self.last_embed = request
        await self._fail_on_purpose(request.sentences, context)
        return inference_pb2.EmbedResponse(
            embeddings=[
                inference_pb2.SentenceEmbedding(values=self._vector(text), token_count=4) for text in request.sentences
            ],
            model_version=3,
            artifact_id="a3",
            encoder_id="enc",
        )

    async def _fail_on_purpose(self, sentences: Any, context: Any) -> None:
        self.num_calls += 1
        self.largest = max(self.largest, len(sentences))
        if self.troubles:
            await refuse_for(self.troubles.popleft(), context)
        for name, code in ((code.name, code) for code in grpc.StatusCode):
            if name not in sentences:
                continue
            bad = error_details_pb2.BadRequest.FieldViolation(field="sentences[0]", description="is bad")
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromMilliseconds(1500)
            details = {
                grpc.StatusCode.INVALID_ARGUMENT: [error_details_pb2.BadRequest(field_violations=[bad])],
                grpc.StatusCode.RESOURCE_EXHAUSTED: [retry],
            }
            await refuse(context, code, f"refused with {name}", *details.get(code, []))
        if "slow" in sentences:
            await asyncio.sleep(60)

    async def _check_version(self, model: inference_pb2.ModelSelector, context: Any) -> None:
        self.version = self._releases.get(self.num_calls, self.version)
        if self.release_every and self.num_calls % self.release_every == 0:
            self.version += 1
        if model.version and model.version != self.version:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, f"version {model.version} is not loaded")

    def _result(self, text: str, include_embedding: bool) -> inference_pb2.SentenceResult:
        positive = 0.75 if "good" in text else 0.25
        result = inference_pb2.SentenceResult(token_count=4, truncated=len(text) > 100)
        result.predictions.add(
            task="sentiment",
            label="positive" if positive > 0.5 else "negative",
            score=0.75,
            scores=[
                inference_pb2.LabelScore(label="negative", score=1 - positive),
                inference_pb2.LabelScore(label="positive", score=positive),
            ],
        )
        if include_embedding:
            result.embedding.values.extend(self._vector(text))
        return result

    def _vector(self, text: str) -> list[float]:
        return [0.6, 0.8, 0.0] if "good" in text else [0.8, 0.0, 0.6]


class FakeModels(models_pb2_grpc.ModelServiceServicer):
    """Serves version 3, and what is released at the third look after that."""

    def __init__(self) -> None:
        self.serving = 3
        self.refused = {2: "hash"}
        self.hold = False
        #: Beside the stable version that Promote and Rollback make.
        self.canary: models_pb2.Canary | None = None
        self.num_promotions = self.num_promotions_to_fail = 0
        self._next = 3
        self.num_looks = 0
        self.last_promotion = models_pb2.PromoteRequest()

    def release(self, version: int) -> None:
        self._next, self.num_looks = version, 0

    async def GetServerInfo(self, request: models_pb2.GetServerInfoRequest, context: Any) -> models_pb2.ServerInfo:
        self.num_looks += 1
        if self.num_looks >= 3:
            self.serving = self._next
        return models_pb2.ServerInfo(
            server_version="0.1.0",
            model=models_pb2.ServedModel(
                version=self.serving,
                artifact_id="a3",
                encoder_id="enc",
                base_model="base",
                tasks=[models_pb2.TaskInfo(name="sentiment", labels=["negative", "positive"])],
                dimensions=3,
                max_tokens=128,
                release=2,
            ),
            limits=models_pb2.Limits(max_sentences_per_request=8, max_sentence_bytes=1000, max_queue_tokens=9999),
            engine="torch",
            precision="float32",
            device="cpu",
            release=2,
            routing=models_pb2.Release(number=2, stable=self.serving, hold=self.hold),
            refused=[
                models_pb2.RefusedVersion(release=2, version=version, reason=reason)
                for version, reason in self.refused.items()
            ],
        )

    async def ListVersions(
        self, request: models_pb2.ListVersionsRequest, context: Any
    ) -> models_pb2.ListVersionsResponse:
        versions = [
            models_pb2.Version(number=3, artifact_id="a3", job_id="j3", metrics=to_struct(METRICS), is_stable=True),
            models_pb2.Version(number=2, artifact_id="a2", job_id="j2", created_at=Timestamp(seconds=1_700_000_000)),
            models_pb2.Version(number=1, artifact_id="a1", job_id="base", verdict="not judged"),
        ]
        return models_pb2.ListVersionsResponse(versions=versions[: request.page_size or None])

    async def Promote(self, request: models_pb2.PromoteRequest, context: Any) -> models_pb2.Release:
        self.num_promotions += 1
        self.last_promotion = request
        if self.num_promotions <= self.num_promotions_to_fail:
            await refuse_for((grpc.StatusCode.UNAVAILABLE, None), context)
        return models_pb2.Release(number=3, stable=request.version, canary=self.canary)

    async def Rollback(self, request: models_pb2.RollbackRequest, context: Any) -> models_pb2.Release:
        return models_pb2.Release(number=3, stable=request.version, canary=self.canary)


class FakeTraining(training_pb2_grpc.TrainingServiceServicer):
    """A job named by its request id: `fail...` ends as failed, others succeed as version 4 after three updates.

    Version 4 is served three looks later; that of `refused...` is refused, of `superseded...` followed by version 5.
    """

    def __init__(self, models: FakeModels) -> None:
        self.models = models
        self.requests: list[training_pb2.TrainJobRequest] = []
        #: Jobs accepted whose answer is lost on its way, as when the server dies then.
        self.num_answers_to_lose = 0
        self.watch_was_dropped = threading.Event()

    async def TrainJob(self, request: training_pb2.TrainJobRequest, context: Any) -> training_pb2.TrainJobResponse:
        self.requests.append(request)
        if not request.spec.tasks:
            bad = error_details_pb2.BadRequest.FieldViolation(field="spec.tasks", description="name at least one task")
            await refuse(
                context,
                grpc.StatusCode.INVALID_ARGUMENT,
                "the job spec is not valid",
                error_details_pb2.BadRequest(field_violations=[bad]),
            )
        if request.validate_only:
            rates = [{"part": "layer.0", "lr": 2e-5, "trained": "from epoch 2"}]
            plan = {"base_model": "tiny", "layers": 1, "learning_rates": rates, "stages_not_reached": ["embeddings"]}
            return training_pb2.TrainJobResponse(plan=to_struct(plan))
        if self.num_answers_to_lose:
            self.num_answers_to_lose -= 1
            await refuse_for((grpc.StatusCode.UNAVAILABLE, None), context)
        return training_pb2.TrainJobResponse(job=self.job(request.request_id or "job1", training_pb2.JOB_STATE_QUEUED))

    async def GetJob(self, request: training_pb2.GetJobRequest, context: Any) -> training_pb2.Job:
        if request.job_id == "missing":
            await refuse(context, grpc.StatusCode.NOT_FOUND, "no job 'missing'")
        return self._end(request.job_id)

    async def CancelJob(self, request: training_pb2.CancelJobRequest, context: Any) -> training_pb2.Job:
        """`running...` is told to stop and then watched to its end, `done...` has succeeded, others are queued."""
        if request.job_id.startswith("done"):
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "job has succeeded already")
        if request.job_id.startswith("running"):
            job = self.job(request.job_id, training_pb2.JOB_STATE_RUNNING, attempt=1)
            job.cancel_requested = True
            return job
        return self.job(request.job_id, training_pb2.JOB_STATE_CANCELLED)

    async def ListJobs(self, request: training_pb2.ListJobsRequest, context: Any) -> training_pb2.ListJobsResponse:
        """Six hundred jobs in pages, as asked."""
        start = int(request.page_token or 0)
        stop = min(start + request.page_size, 600)
        jobs = [self.job(f"job{number}", training_pb2.JOB_STATE_RUNNING) for number in range(start, stop)]
        return training_pb2.ListJobsResponse(jobs=jobs, next_page_token=str(stop) if stop < 600 else "")

    async def WatchJob(self, request: training_pb2.WatchJobRequest, context: Any) -> AsyncIterator[training_pb2.Job]:
        if request.job_id == "missing":
            await refuse(context, grpc.StatusCode.NOT_FOUND, "no job 'missing'")
        context.add_done_callback(lambda _: self.watch_was_dropped.set())
        yield self.job(request.job_id, training_pb2.JOB_STATE_QUEUED)
        running = self.job(request.job_id, training_pb2.JOB_STATE_RUNNING, attempt=1)
        running.progress.CopyFrom(
            training_pb2.JobProgress(
                stage="training",
                step=5,
                steps=10,
                epoch=0.5,
                loss_by_task={"sentiment": 0.7},
                examples_per_s=99,
                eta_s=2,
            )
        )
        yield running
        if request.job_id.startswith("endless"):
            await asyncio.sleep(60)
        yield self._end(request.job_id)

    def _end(self, job_id: str) -> training_pb2.Job:
        if job_id.startswith("running"):
            return self.job(job_id, training_pb2.JOB_STATE_CANCELLED, attempt=1)
        if job_id.startswith("fail"):
            job = self.job(job_id, training_pb2.JOB_STATE_FAILED, attempt=1)
            job.error.CopyFrom(training_pb2.JobError(code="INVALID_DATA", message="train.csv row 7: no text"))
            return job
        if job_id.startswith("refused"):
            self.models.refused[4] = "probe outputs differ"
        else:
            self.models.release(5 if job_id.startswith("superseded") else 4)
        job = self.job(job_id, training_pb2.JOB_STATE_SUCCEEDED, attempt=1, version=4)
        job.metrics.CopyFrom(to_struct(METRICS))
        job.finished_at.CopyFrom(Timestamp(seconds=1_700_000_060))
        return job

    def job(self, job_id: str, state: training_pb2.JobState.ValueType, **fields: int) -> training_pb2.Job:
        return training_pb2.Job(
            id=job_id,
            request_id=job_id,
            state=state,
            submitted_at=Timestamp(seconds=1_700_000_000),
            spec=training_pb2.JobSpec(tasks=[training_pb2.TaskSpec(name="sentiment", labels=["negative", "positive"])]),
            **fields,  # type: ignore[arg-type]
        )


class FakeServer:
    """Starts and stops the services above; `target` is where. Use `with`."""

    def __init__(self) -> None:
        self.inference, self.models = FakeInference(), FakeModels()
        self.training = FakeTraining(self.models)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-server")

    def __enter__(self) -> FakeServer:
        self._thread.start()
        self.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._server.stop(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def set_health(self, service: str, status: health_pb2.HealthCheckResponse.ServingStatus.ValueType) -> None:
        self.run(self._health.set(service, status))

    async def _start(self) -> None:
        self._server = grpc.aio.server()
        self._health = HealthServicer()
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(self.inference, self._server)
        training_pb2_grpc.add_TrainingServiceServicer_to_server(self.training, self._server)
        models_pb2_grpc.add_ModelServiceServicer_to_server(self.models, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.target = f"127.0.0.1:{self.port}"
        await self._server.start()
