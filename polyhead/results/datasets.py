"""Uploaded files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Dataset:
    """An uploaded file, or what has come of it."""

    sha256: str
    #: 0 while it is not complete.
    size_bytes: int
    file_name: str
    #: Bytes that are there without a gap from the beginning on.
    received_bytes: int
    complete: bool
    created_at: datetime | None

    @property
    def reference(self) -> str:
        """How a job spec names it, in `data.train`, `data.validation` or `data.test`."""
        return f"dataset:{self.sha256}/{self.file_name}"
