"""The only composition root: builds every part from the settings, starts them in order, stops them in order.

Start: health (NOT_SERVING), port, job API SERVING, then the watch for models; the first model flips inference.
Stop: NOT_SERVING, no new calls, running ones finish within the drain time, compute workers end, threads end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from polyhead.v1 import inference_pb2_grpc, models_pb2_grpc, training_pb2_grpc
from server.batching.admission import Admission
from server.batching.queue import BatchLimits
from server.batching.scheduler import Scheduler
from server.batching.work import EntryBatch
from server.engines.compute import ComputeWorkers
from server.engines.torch_engine import pick_device
from server.jobs.base_shape import BaseShapes
from server.jobs.book import JobBook
from server.metrics.endpoint import MetricsEndpoint
from server.metrics.metrics import Metrics
from server.models.idle_thread import IdleThread
from server.models.loader import Loader
from server.models.manager import ModelManager
from server.rpc import health as health_names
from server.rpc.calls import CallInterceptor
from server.rpc.gate import Gate
from server.rpc.health import Health
from server.rpc.inference import InferenceServicer
from server.rpc.interceptor import ErrorInterceptor
from server.rpc.models import ModelServicer
from server.rpc.open_inference.servicer import OpenInferenceServicer
from server.rpc.open_inference.v2 import inference_pb2_grpc as open_inference_pb2_grpc
from server.rpc.requests import Limits
from server.rpc.running import RunningCalls
from server.rpc.training import TrainingServicer
from server.settings import ServerSettings
from shared.doorbell import Doorbell
from shared.errors import UnavailableError
from shared.progress import ProgressBoard
from shared.store.datasets import DatasetStore
from shared.store.folder import open_store
from shared.version import code_version

log = structlog.get_logger(__name__)

#: Threads for store and Redis; a call is a few reads of small files or one round trip. Not tuned by measurement.
NUM_BLOCKING_THREADS = 4

#: The last part of the drain time: whatever still runs then is cancelled, and its cancellation must reach the client.
CANCELLATION_S = 0.5
#: Seconds that a model's loading may wait for a core that nothing else wants. With busy cores it takes 6 to 8 (0023).
LOADING_PATIENCE_S = 15.0
#: Seconds that the compute workers get to end when no call waits for them any more.
COMPUTE_END_S = 5.0


class Application:
    """Create, `start` and `stop` it on one event loop."""

    def __init__(self, settings: ServerSettings, on_first_model: Callable[[], object] = lambda: None) -> None:
        """`on_first_model` is called once, before the first model serves."""
        self._settings = settings
        self._device = pick_device(settings.server_device)
        self._store = open_store(settings.store_url)
        # Jobs have threads of their own: while Redis hangs, whoever watches one must not delay a rollback.
        self._blocking = ThreadPoolExecutor(NUM_BLOCKING_THREADS, "blocking")
        self._jobs = ThreadPoolExecutor(NUM_BLOCKING_THREADS, "jobs")
        self._loading = ThreadPoolExecutor(1, "loading")
        self._idle = IdleThread(LOADING_PATIENCE_S)
        self._tokenizing = ThreadPoolExecutor(1, "tokenizing")
        self._health = Health()
        self._metrics = Metrics()
        self._endpoint: MetricsEndpoint | None = None
        self._calls = RunningCalls()
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_first_model = on_first_model
        self._num_dead_workers = 0
        self._hurry = asyncio.Event()
        self.port = 0

    async def start(self) -> None:
        """
        Raises:
            RuntimeError: if the address cannot be bound.
        """
        self._build()
        self.port = self._server.add_insecure_port(self._settings.server_listen)
        if self._settings.server_metrics_listen:
            self._endpoint = MetricsEndpoint(self._settings.server_metrics_listen, self._metrics.registry)
        await self._server.start()
        self._compute.start()
        self._health.serve(*health_names.ACCEPTING)
        self._spawn(self._models.run())
        log.info("listening", address=self._settings.server_listen, port=self.port, device=str(self._device))

    @property
    def metrics_port(self) -> int:
        """Where /metrics is; 0: nowhere."""
        return self._endpoint.port if self._endpoint else 0

    @property
    def num_running_calls(self) -> int:
        """Calls that a stop would wait for."""
        return self._calls.num_running

    async def stop(self) -> None:
        log.info("draining", seconds=self._settings.server_drain_s)
        self._health.drain()
        for task in self._tasks:
            task.cancel()
        await self._drain()
        self._scheduler.queue.close()
        await asyncio.to_thread(self._compute.join_blocking, COMPUTE_END_S)
        if self._endpoint is not None:
            await asyncio.to_thread(self._endpoint.close_blocking)
        for executor in (self._blocking, self._jobs, self._loading, self._tokenizing):
            executor.shutdown(wait=False, cancel_futures=True)
        self._idle.close()
        log.info("stopped")

    def hurry(self) -> None:
        """A stop that waits for calls, or for load balancers, waits no longer."""
        self._hurry.set()

    async def _drain(self) -> None:
        """Answer what runs while new calls are told to go elsewhere; then close the port, and cancel what is left."""
        self._calls.drain()
        patience_s = max(0.0, self._settings.server_drain_s - CANCELLATION_S)
        waits = [asyncio.create_task(self._until_quiet()), asyncio.create_task(self._hurry.wait())]
        await asyncio.wait(waits, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._calls.num_running:
            log.warning("the drain time is over: calls are cancelled", calls=self._calls.num_running)
        self._health.close()
        await self._server.stop(CANCELLATION_S)

    async def _until_quiet(self) -> None:
        await asyncio.sleep(self._settings.server_drain_min_s)
        await self._calls.until_idle()

    def _build(self) -> None:
        settings = self._settings
        limits = Limits(
            settings.server_max_sentences_per_request,
            settings.server_max_sentence_bytes,
            settings.server_max_queue_tokens,
            settings.server_max_message_bytes,
            settings.server_max_upload_bytes,
        )
        batch_limits = BatchLimits(
            max_rows=settings.server_max_batch_rows,
            max_batch_tokens=settings.server_max_batch_tokens,
            max_queue_tokens=settings.server_max_queue_tokens,
            max_age_s=settings.server_max_queue_age_ms / 1e3,
            is_deduplicated=settings.server_deduplicate,
        )
        self._scheduler = Scheduler(batch_limits, self._tokenizing)
        loop = asyncio.get_running_loop()
        self._compute: ComputeWorkers[EntryBatch] = ComputeWorkers(
            self._num_compute_workers(),
            self._scheduler.queue.take_blocking,
            self._scheduler.answer,
            lambda error: loop.call_soon_threadsafe(self._on_compute_death, error),
        )
        self._metrics.watch_queue(self._scheduler, lambda: self._compute.num_alive)
        loader = Loader(self._store, self._device, settings.server_precision, self._idle)
        self._models = ModelManager(
            self._store, loader, self._loading, settings.server_poll_s, self._on_serving, self._metrics.models
        )
        self._metrics.watch_releases(self._models)
        redis_url = settings.redis_url.get_secret_value()
        book = JobBook(self._store, Doorbell(redis_url), ProgressBoard(redis_url))
        gate = Gate(Admission(self._scheduler), self._scheduler.stats, settings.server_max_calls_per_client)
        self._server = grpc.aio.server(
            interceptors=[CallInterceptor(self._calls, self._metrics.calls), ErrorInterceptor(gate)],
            options=[
                ("grpc.max_receive_message_length", settings.server_max_message_bytes),
                ("grpc.max_send_message_length", settings.server_max_message_bytes),
                ("grpc.so_reuseport", 0),
            ],
        )
        inference = InferenceServicer(self._models, self._scheduler, limits, self._metrics.models)
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(inference, self._server)
        open_inference = OpenInferenceServicer(
            self._models,
            inference,
            limits,
            code_version(),
            lambda: self._health.is_serving(health_names.OPEN_INFERENCE),
        )
        open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(open_inference, self._server)
        shapes = BaseShapes(self._store, settings.base_model)
        training = TrainingServicer(
            book, shapes, DatasetStore(self._store), settings.server_max_upload_bytes, self._jobs
        )
        training_pb2_grpc.add_TrainingServiceServicer_to_server(training, self._server)
        identity = {
            "server_version": code_version(),
            "engine": "torch",
            "precision": settings.server_precision,
            "device": str(self._device),
        }
        models = ModelServicer(self._models, self._store, self._blocking, limits, identity)
        models_pb2_grpc.add_ModelServiceServicer_to_server(models, self._server)
        self._add_standard_services()

    def _add_standard_services(self) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self._settings.server_reflection:
            ours = (*health_names.COMPUTING, health_names.TRAINING, health_names.MODELS)
            health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
            reflection.enable_server_reflection((*ours, health, reflection.SERVICE_NAME), self._server)

    def _num_compute_workers(self) -> int:
        if self._settings.server_compute_workers:
            return self._settings.server_compute_workers
        return len(os.sched_getaffinity(0)) if self._device.type == "cpu" else 1

    def _on_serving(self) -> None:
        self._on_first_model()
        self._on_first_model = lambda: None
        self._health.serve(*health_names.COMPUTING)

    def _on_compute_death(self, error: BaseException) -> None:
        self._num_dead_workers += 1
        log.error("inference is down: a compute worker died", error=repr(error), dead=self._num_dead_workers)
        self._health.fail(*health_names.COMPUTING)
        if self._num_dead_workers == self._num_compute_workers():
            self._scheduler.abort(UnavailableError("no compute worker lives any more; the server must be restarted"))

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a background task ended", error=repr(error), exc_info=error)
