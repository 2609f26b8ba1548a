"""How rows are drawn."""

from __future__ import annotations

from typing import Literal

from shared.spec.part import SpecPart


class SamplingSpec(SpecPart):
    """How rows are drawn within a task: as they are, or each label equally often."""

    within: Literal["natural", "class_balanced"] = "natural"
