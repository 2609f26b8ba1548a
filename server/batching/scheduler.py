"""Carries a request's sentences through tokenizing and the queue, and hands the answers back to the event loop.

Lives on the event loop. Tokenizing leaves it through the executor given here, except for short texts; answers come back
from the compute threads in one call a batch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from server.batching.queue import BatchLimits, BatchQueue
from server.batching.stats import BatchingStats, BatchRecord
from server.batching.work import EntryBatch, Row, Work
from server.engines.engine import Engine, EngineOutput
from shared.errors import DeadlineError, QueueFullError, UnavailableError
from shared.text import TokenizedText

Tokenize = Callable[[Sequence[str]], list[TokenizedText]]
CheckTokens = Callable[[Sequence[TokenizedText]], None]

#: English text has about four characters a WordPiece token.
CHARACTERS_PER_TOKEN = 4
#: A million characters, the default bound, take 0.25 s on two cores and 0.4 s on one (plain English, 2026-11).
TOKENIZER_RETRY_S = 0.25
#: Text this short is tokenized on the loop: at the speed above that holds it for 0.2 ms, and spares the way to another
#: thread and back.
SHORT_CHARACTERS = 500
#: What a sentence costs beside its characters, in characters (500 sentences of one took 1.6 ms, by hand, 2026-11).
CHARACTERS_PER_SENTENCE = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """All sentences of one request, in order, and where the time went (seconds; the slowest sentence of each)."""

    rows: list[Row]
    tokens: list[TokenizedText]
    tokenize_s: float
    queue_s: float
    compute_s: float


class Scheduler:
    """Made on the event loop that it serves. `stats` says what happened, for metrics."""

    def __init__(self, limits: BatchLimits, tokenizers: Executor) -> None:
        self._loop = asyncio.get_running_loop()
        self._tokenizers = tokenizers
        self._max_tokenizing = limits.max_queue_tokens * CHARACTERS_PER_TOKEN
        self._num_characters = 0
        self.stats = BatchingStats()
        self.queue = BatchQueue(limits, self._on_expired, self.stats)

    @property
    def num_tokenizing_characters(self) -> int:
        """Characters that are with the tokenizer or wait for it."""
        return self._num_characters

    async def run(
        self,
        engine: Engine,
        tokenize: Tokenize,
        sentences: Sequence[str],
        deadline_s: float | None,
        check: CheckTokens | None = None,
        is_reserved: bool = False,
    ) -> Answer:
        """Compute all `sentences` with `engine`. `check` sees the tokens before they are queued, and may raise.

        `is_reserved`: the caller has set room in the queue aside for them, see `StreamBudget`.

        Raises:
            QueueFullError: if the queue has no room.
            DeadlineError: if `deadline_s` (time.monotonic) passed before every sentence was computed.
            UnavailableError: if the server is draining.
        """
        started_s = time.monotonic()
        _check_deadline(deadline_s, started_s)
        tokens = await self._tokenize(tokenize, sentences, is_reserved)
        if check is not None:
            check(tokens)
        tokenized_s = time.monotonic()
        _check_deadline(deadline_s, tokenized_s)
        work = Work(engine, [item.ids for item in tokens], self._loop.create_future(), deadline_s, is_reserved)
        rows = await self._compute(work)
        return Answer(rows, tokens, tokenized_s - started_s, work.queue_s, work.compute_s)

    async def _compute(self, work: Work) -> list[Row]:
        """Whatever ends the wait, nothing of the request stays in the queue."""
        self.queue.put(work)
        timer = None if work.deadline_s is None else self._loop.call_at(work.deadline_s, self._expire, work)
        try:
            return await work.future
        except asyncio.CancelledError:
            # The transport cancels a call at its deadline too, and may be first.
            self.queue.discard(work, "deadline" if work.is_expired(time.monotonic()) else "cancelled")
            raise
        except Exception:
            self.queue.discard(work, "failed")
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def _tokenize(self, tokenize: Tokenize, sentences: Sequence[str], is_reserved: bool) -> list[TokenizedText]:
        """Bounded like the queue behind it: text must not pile up in front of the tokenizer."""
        num_characters = sum(map(len, sentences))
        if num_characters + CHARACTERS_PER_SENTENCE * len(sentences) <= SHORT_CHARACTERS:
            return tokenize(sentences)
        if not is_reserved and self._num_characters and self._num_characters + num_characters > self._max_tokenizing:
            self.stats.refused["tokenizer_full"] += 1
            raise QueueFullError(f"{self._num_characters} characters wait for the tokenizer", TOKENIZER_RETRY_S)
        self._num_characters += num_characters
        try:
            return await self._loop.run_in_executor(self._tokenizers, tokenize, sentences)
        finally:
            self._num_characters -= num_characters

    def abort(self, error: UnavailableError) -> None:
        """Nobody computes any more: fail all that wait, and refuse what comes."""
        for work in self.queue.abort(error):
            if not work.future.done():
                work.future.set_exception(error)

    def answer(self, batch: EntryBatch, output: EngineOutput | Exception, began_s: float) -> None:
        """Called by a compute thread: one hop to the loop for the whole batch, whose engine began at `began_s`."""
        seconds = time.monotonic() - began_s
        self._loop.call_soon_threadsafe(self._answered, batch, output, began_s, seconds)
        self.queue.finished(batch)

    def _answered(self, batch: EntryBatch, output: EngineOutput | Exception, began_s: float, seconds: float) -> None:
        """The callers first: by the time the batch is counted, their answers are on their way."""
        _deliver(batch, output, seconds)
        self.stats.executed_after_deadline += sum(entry.work.is_expired(began_s) for entry in batch.entries)
        if self.stats.on_batch is not None:
            self._loop.call_soon(self.stats.on_batch, _record(batch, seconds, isinstance(output, Exception)))

    def _expire(self, work: Work) -> None:
        self.queue.discard(work, "deadline")
        self._fail_expired(work)

    def _on_expired(self, work: Work) -> None:
        """Called by a compute thread, for a request that left the queue as expired."""
        self._loop.call_soon_threadsafe(self._fail_expired, work)

    @staticmethod
    def _fail_expired(work: Work) -> None:
        if not work.future.done():
            work.future.set_exception(DeadlineError("the deadline is over before every sentence is computed"))


def _check_deadline(deadline_s: float | None, now_s: float) -> None:
    if deadline_s is not None and deadline_s <= now_s:
        raise DeadlineError("the deadline passed before the sentences were queued")


def _deliver(batch: EntryBatch, output: EngineOutput | Exception, seconds: float) -> None:
    for entry, position in zip(batch.entries, batch.positions, strict=True):
        work = entry.work
        if work.future.done():
            continue
        if isinstance(output, Exception):
            work.future.set_exception(output)
            continue
        work.answers[entry.row_index] = Row(output.pooled_BH[position], output.scores_BC[position])
        work.num_open -= 1
        work.queue_s = max(work.queue_s, batch.taken_s - work.enqueued_s)
        work.compute_s = max(work.compute_s, seconds)
        if work.num_open == 0:
            work.future.set_result([row for row in work.answers if row is not None])


def _record(batch: EntryBatch, seconds: float, is_failed: bool) -> BatchRecord:
    num_tokens = sum(map(len, batch.rows))
    return BatchRecord(
        engine=batch.engine.name,
        num_rows=len(batch.rows),
        num_duplicates=len(batch.entries) - len(batch.rows),
        num_tokens=num_tokens,
        num_padding_tokens=len(batch.rows) * max(map(len, batch.rows)) - num_tokens,
        queue_s=tuple(batch.taken_s - entry.work.enqueued_s for entry in batch.entries),
        compute_s=seconds,
        is_failed=is_failed,
    )
