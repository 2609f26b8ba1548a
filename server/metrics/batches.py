"""Computed batches. Called on the event loop, once a batch."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from server.batching.stats import BatchRecord

#: From a free worker (well under a millisecond) to a full queue that is about to run into deadlines.
QUEUE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: From one short sentence to a full batch of a large model on a small CPU.
COMPUTE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
#: Powers of two up to the most that the settings allow, and to what they allow by default.
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
TOKENS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)


class BatchMetrics:
    """An observer of batches. Tokens a second and the share of padding are quotients of these counters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._queue_seconds = Histogram(
            "polyhead_queue_seconds", "Wait of a sentence in the queue.", registry=registry, buckets=QUEUE_SECONDS
        )
        self._compute_seconds = Histogram(
            "polyhead_inference_seconds",
            "Time to compute a batch.",
            ("engine",),
            registry=registry,
            buckets=COMPUTE_SECONDS,
        )
        self._rows = Histogram("polyhead_batch_rows", "Sentences computed in a batch.", registry=registry, buckets=ROWS)
        self._batch_tokens = Histogram(
            "polyhead_batch_tokens", "Tokens of a batch, without padding.", registry=registry, buckets=TOKENS
        )
        self._tokens = Counter("polyhead_tokens_total", "Tokens computed, without padding.", registry=registry)
        self._padding = Counter("polyhead_padding_tokens_total", "Padding computed.", registry=registry)
        self._duplicates = Counter(
            "polyhead_duplicate_sentences_total",
            "Sentences answered by an equal one in their batch.",
            registry=registry,
        )
        self._failed = Counter("polyhead_batches_failed_total", "Batches whose computation failed.", registry=registry)

    def computed(self, batch: BatchRecord) -> None:
        for seconds in batch.queue_s:
            self._queue_seconds.observe(seconds)
        self._duplicates.inc(batch.num_duplicates)
        if batch.is_failed:
            self._failed.inc()
            return
        self._compute_seconds.labels(batch.engine).observe(batch.compute_s)
        self._rows.observe(batch.num_rows)
        self._batch_tokens.observe(batch.num_tokens)
        self._tokens.inc(batch.num_tokens)
        self._padding.inc(batch.num_padding_tokens)
