"""What every part of a job spec has in common: frozen, no unknown fields, simple names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

#: Task and label names travel in file names, tensor names and tables, so they stay simple.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class SpecPart(BaseModel):
    """Base of all parts: built by keyword, validated on construction, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=False)


def sequence(value: object) -> Sequence[Any]:
    """`value` if it is a list, else nothing: checks across parts skip what is malformed."""
    return value if isinstance(value, list | tuple) else ()
