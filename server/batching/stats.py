"""What happened in the queue, as plain counts that only grow; and an observer for each batch.

Read by whoever exports metrics; knows none of them. The queue counts under its lock, the rest on the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One computed batch. `num_padding_tokens` were computed for nothing; a duplicate was not computed at all."""

    engine: str
    num_rows: int
    num_duplicates: int
    num_tokens: int
    num_padding_tokens: int
    #: The wait of each of its sentences.
    queue_s: tuple[float, ...]
    compute_s: float
    is_failed: bool


@dataclass(slots=True)
class BatchingStats:
    """`refused` and `evicted` count requests by reason, the rest counts sentences, tokens or batches."""

    requests: int = 0
    sentences: int = 0
    #: Requests refused before they were queued: "queue_full", "tokenizer_full", "deadline" (would not be met),
    #: "client" (too many calls at once), "draining".
    refused: Counter[str] = field(default_factory=Counter)
    #: Requests removed from the queue before all of their sentences were taken: "cancelled", "deadline", "failed".
    evicted: Counter[str] = field(default_factory=Counter)
    #: Sentences whose engine began when their deadline had passed. Must stay 0.
    executed_after_deadline: int = 0
    batches: int = 0
    batch_tokens: int = 0
    #: Called with each batch that was computed, on the event loop.
    on_batch: Callable[[BatchRecord], None] | None = None
