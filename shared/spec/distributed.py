"""How many processes compute a training together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from shared.errors import Violation
from shared.spec.part import SpecPart


class DistributedSpec(SpecPart):
    """Data-parallel training: each batch is cut into parts, one a process; the steps stay those of one process."""

    #: On the worker's machine; each has its share of the worker's threads, or a GPU of its own.
    processes: Annotated[int, Field(ge=1, le=64)] = 1


def distributed_misfits(distributed: Mapping[str, Any], search: object) -> Iterator[Violation]:
    """What several processes do not go together with."""
    processes = distributed.get("processes", 1)
    if search is not None and isinstance(processes, int) and processes > 1:
        hint = f"is {processes}, but the trials of a search run in one process; leave one of the two out"
        yield Violation("distributed.processes", hint)
