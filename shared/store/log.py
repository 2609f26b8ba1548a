"""A dense log: entries 1, 2, 3, ..., appended by creating the next number exclusively.

This is the store's whole concurrency story: whoever is told "exists" reads the new entry and decides again. There are
no locks and nothing is overwritten, so an instance may cache every entry it has read. An entry that was read and is
gone means that the store is away: that is an error, never a shorter log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from shared.store.folder import FolderStore, KeyMissingError
from shared.store.records import Record, create_record

R = TypeVar("R", bound=Record)


class DenseLog(Generic[R]):
    """One log of records of type R below a prefix. Thread-safe. Entry k is `entries[k - 1]`."""

    def __init__(self, store: FolderStore, prefix: str, record: type[R]) -> None:
        self._store = store
        self._prefix = prefix
        self._record = record
        self._entries: list[R] = []
        self._lock = threading.Lock()

    def key(self, number: int) -> str:
        return f"{self._prefix}/{number}.json"

    def entries(self) -> Sequence[R]:
        """All entries that exist now, in order.

        Raises:
            StoreError: if an entry cannot be read, is of a schema this code does not know, or is gone.
        """
        with self._lock:
            while True:
                key = self.key(len(self._entries) + 1)
                try:
                    body = self._store.get(key)
                except KeyMissingError:
                    last = self.key(len(self._entries))
                    if self._entries and not self._store.exists(last):
                        raise self._store.gone(last) from None
                    return tuple(self._entries)
                self._entries.append(self._record.from_bytes(body, key))
                self._store.witness = self._store.witness or key

    def append(self, decide: Callable[[Sequence[R]], R | None]) -> int | None:
        """Append what `decide` makes of the entries so far; return its number.

        `decide` is called again with the longer log whenever another writer was faster. It returns None to stop: then
        nothing is written and None is returned.
        """
        while True:
            entries = self.entries()
            record = decide(entries)
            if record is None:
                return None
            number = len(entries) + 1
            if create_record(self._store, self.key(number), record):
                return number
