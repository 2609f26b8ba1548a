"""How a job spec names an uploaded file: `dataset:<sha256>/tickets.csv`.

The hash says which bytes; the name is what people know them by, and its ending tells the format. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "dataset:"
_REFERENCE = re.compile(r"dataset:(?P<sha256>[0-9a-f]{64})/(?P<name>[^/\x00-\x1f\x7f]{1,200})")


@dataclass(frozen=True, slots=True)
class DatasetReference:
    sha256: str
    name: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.sha256}/{self.name}"

    @property
    def short(self) -> str:
        """For messages and records that have the whole hash elsewhere."""
        return f"{PREFIX}{self.sha256[:12]}/{self.name}"


def parse_reference(value: str) -> DatasetReference | None:
    """None for what is a path.

    Raises:
        ValueError: if it begins as a reference and is none.
    """
    if not value.startswith(PREFIX):
        return None
    match = _REFERENCE.fullmatch(value)
    if match is None:
        raise ValueError(f"write dataset:<sha256>/<file name>, the hash as 64 hexadecimal digits (got {value[:200]!r})")
    return DatasetReference(match["sha256"], match["name"])
