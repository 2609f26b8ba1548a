"""What the trainer may keep in memory so as not to compute it twice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.spec.part import SpecPart


class CacheSpec(SpecPart):
    """Outputs of frozen layers: computed once for as many rows as fit, for the others in each step."""

    #: Memory for them in MiB; 0 keeps none. 512 hold the vectors of 350,000 rows or, of 20 tokens each in bfloat16,
    #: the hidden states of 35,000 rows of a model with 384 dimensions.
    mib: Annotated[int, Field(ge=0, le=1_000_000)] = 512
