"""The queue's own counts and its length now, read when Prometheus asks: queueing itself pays nothing for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from server.batching.scheduler import Scheduler

#: Present from the start, at 0, so that the first one is seen as a change.
REFUSED = ("queue_full", "tokenizer_full", "deadline", "client", "draining")
EVICTED = ("cancelled", "deadline", "failed")


class QueueMetrics(Collector):
    """Runs in the endpoint's threads; reads plain numbers only."""

    def __init__(self, scheduler: Scheduler, num_workers_alive: Callable[[], int]) -> None:
        self._scheduler = scheduler
        self._num_workers_alive = num_workers_alive

    def describe(self) -> list[Metric]:
        """Nothing in advance: the registry would collect to find the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        stats, queue = self._scheduler.stats, self._scheduler.queue
        num_characters = self._scheduler.num_tokenizing_characters
        yield _by_reason("polyhead_rejected", "Requests refused before they were queued.", REFUSED, stats.refused)
        yield _by_reason("polyhead_evicted", "Requests removed while they waited.", EVICTED, stats.evicted)
        late = stats.executed_after_deadline
        for name, text, number in (
            ("polyhead_queued_requests", "Requests that entered the queue.", stats.requests),
            ("polyhead_queued_sentences", "Sentences that entered the queue.", stats.sentences),
            ("polyhead_executed_after_deadline", "Sentences whose engine began after their deadline.", late),
        ):
            yield CounterMetricFamily(name, text, value=number)
        for name, text, number in (
            ("polyhead_queue_tokens", "Tokens that wait now.", queue.num_tokens),
            ("polyhead_queue_requests", "Requests of which something waits now.", queue.num_requests),
            ("polyhead_tokenizer_characters", "Characters that are tokenized or wait for it.", num_characters),
            ("polyhead_compute_workers", "Compute workers that live.", self._num_workers_alive()),
        ):
            yield GaugeMetricFamily(name, text, value=number)


def _by_reason(name: str, text: str, known: tuple[str, ...], counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=("reason",))
    for reason, number in {**dict.fromkeys(known, 0), **counts}.items():
        family.add_metric((reason,), number)
    return family
