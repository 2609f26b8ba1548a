"""Carries a request's sentences through tokenizing and the queue, and hands the answers back to the event loop.

Lives on the event loop. Tokenizing leaves it through the executor given here; answers come back from the compute
threads in one call a batch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from server.batching.queue import BatchQueue
from server.batching.work import EntryBatch, Row, Work
from server.engines.engine import Engine, EngineOutput
from shared.errors import DeadlineError, QueueFullError
from shared.text import TokenizedText

Tokenize = Callable[[Sequence[str]], list[TokenizedText]]
CheckTokens = Callable[[Sequence[TokenizedText]], None]

#: English text has about four characters a WordPiece token.
CHARACTERS_PER_TOKEN = 4
#: A million characters, the default bound, take 0.25 s on two cores and 0.4 s on one (plain English, 2026-11).
TOKENIZER_RETRY_S = 0.25


@dataclass(frozen=True, slots=True)
class Answer:
    """All sentences of one request, in order, and where the time went (seconds; the slowest sentence of each)."""

    rows: list[Row]
    tokens: list[TokenizedText]
    tokenize_s: float
    queue_s: float
    compute_s: float


class Scheduler:
    """Made on the event loop that it serves."""

    def __init__(self, max_rows: int, max_batch_tokens: int, max_queue_tokens: int, tokenizers: Executor) -> None:
        self._loop = asyncio.get_running_loop()
        self._tokenizers = tokenizers
        self._max_tokenizing = max_queue_tokens * CHARACTERS_PER_TOKEN
        self._num_tokenizing = 0
        self.queue = BatchQueue(max_rows, max_batch_tokens, max_queue_tokens, self._on_expired)

    async def run(
        self,
        engine: Engine,
        tokenize: Tokenize,
        sentences: Sequence[str],
        deadline_s: float | None,
        check: CheckTokens | None = None,
    ) -> Answer:
        """Compute all `sentences` with `engine`. `check` sees the tokens before they are queued, and may raise.

        Raises:
            QueueFullError: if the queue has no room.
            DeadlineError: if `deadline_s` (time.monotonic) passed before every sentence was computed.
            UnavailableError: if the server is draining.
        """
        started_s = time.monotonic()
        _check_deadline(deadline_s, started_s)
        tokens = await self._tokenize(tokenize, sentences)
        if check is not None:
            check(tokens)
        tokenized_s = time.monotonic()
        _check_deadline(deadline_s, tokenized_s)
        work = Work(engine, [item.ids for item in tokens], self._loop.create_future(), deadline_s)
        self.queue.put(work)
        try:
            rows = await work.future
        finally:
            work.abandoned = True
        return Answer(rows, tokens, tokenized_s - started_s, work.queue_s, work.compute_s)

    async def _tokenize(self, tokenize: Tokenize, sentences: Sequence[str]) -> list[TokenizedText]:
        """Off the loop, and bounded like the queue behind it: text must not pile up in front of the tokenizer."""
        num_characters = sum(map(len, sentences))
        if self._num_tokenizing and self._num_tokenizing + num_characters > self._max_tokenizing:
            raise QueueFullError(f"{self._num_tokenizing} characters wait for the tokenizer", TOKENIZER_RETRY_S)
        self._num_tokenizing += num_characters
        try:
            return await self._loop.run_in_executor(self._tokenizers, tokenize, sentences)
        finally:
            self._num_tokenizing -= num_characters

    def answer(self, batch: EntryBatch, output: EngineOutput | Exception) -> None:
        """Called by a compute thread: one hop to the loop for the whole batch."""
        seconds = time.monotonic() - batch.taken_s
        self.queue.record_speed(sum(entry.length for entry in batch.entries), seconds)
        self._loop.call_soon_threadsafe(_deliver, batch, output, seconds)

    def _on_expired(self, work: Work) -> None:
        error = DeadlineError("the deadline passed while the request was queued; it was not computed")
        self._loop.call_soon_threadsafe(_fail, work, error)


def _check_deadline(deadline_s: float | None, now_s: float) -> None:
    if deadline_s is not None and deadline_s <= now_s:
        raise DeadlineError("the deadline passed before the sentences were queued")


def _deliver(batch: EntryBatch, output: EngineOutput | Exception, seconds: float) -> None:
    for number, entry in enumerate(batch.entries):
        work = entry.work
        if isinstance(output, Exception):
            _fail(work, output)
            continue
        work.answers[entry.index] = Row(output.pooled_BH[number], output.scores_BC[number])
        work.num_open -= 1
        work.queue_s = max(work.queue_s, batch.taken_s - work.enqueued_s)
        work.compute_s = max(work.compute_s, seconds)
        if work.num_open == 0 and not work.future.done():
            work.future.set_result([row for row in work.answers if row is not None])


def _fail(work: Work, error: Exception) -> None:
    work.abandoned = True
    if not work.future.done():
        work.future.set_exception(error)
