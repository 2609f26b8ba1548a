"""Hands an iterable's sentences to gRPC as requests, no more than there is room for.

gRPC reads it in a thread of its own. A feed never raises there, where gRPC would only log it: what the iterable raises
is kept for the caller's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Generic, Self

from polyhead.streams.batches import WINDOW, Batches, M, not_sentences


class Feed(Generic[M]):
    """The requests of one stream, for one reader. `answered` and `stop` may come from any thread."""

    def __init__(self, sentences: Iterable[object], batches: Batches[M]) -> None:
        """
        Raises:
            InvalidArgumentError: if `sentences` is no iterable of texts.
        """
        if not isinstance(sentences, Iterable) or isinstance(sentences, bytes):
            raise not_sentences(sentences)
        self._sentences: Iterator[object] = iter([sentences] if isinstance(sentences, str) else sentences)
        self.batches = batches
        self._room = threading.Semaphore(WINDOW)
        self._is_over = False
        #: What the iterable raised; the sentences before it are sent.
        self.failure: Exception | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> M:
        self._room.acquire()
        if not self._is_over:
            self._fill()
        request = self.batches.take()
        if request is None:
            raise StopIteration
        return request

    def answered(self) -> None:
        """One answer was read: there is room for one more request."""
        self._room.release()

    def stop(self) -> None:
        """Read nothing more, also if the reader waits for room just now."""
        self._is_over = True
        self._room.release()

    def _fill(self) -> None:
        try:
            while not (self.batches.is_full or self._is_over):
                self.batches.add(next(self._sentences))
        except StopIteration:
            self._is_over = True
        except Exception as error:  # noqa: BLE001 - raised to the caller, after the answers to what came before
            self.failure = error
            self._is_over = True
