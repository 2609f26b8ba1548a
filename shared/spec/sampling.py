"""How rows are drawn, within a task and across tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.errors import Violation
from shared.spec.part import SpecPart

DEFAULT_TEMPERATURE = 2.0


class SamplingSpec(SpecPart):
    """How often each task's rows are drawn, and which rows share a batch. An epoch draws as many rows as there are.

    across: proportional: each row once. temperature: task t gets a share of n_t^(1/temperature), so that small tasks
    count for more (Raffel et al. 2020, section 3.5.2). round_robin: the tasks' batches take turns, one each.
    """

    across: Literal["proportional", "temperature", "round_robin"] = "proportional"
    #: 1 is proportional; the larger, the more equal.
    temperature: Annotated[float, Field(ge=1, le=1000)] = DEFAULT_TEMPERATURE
    #: Rows of all tasks in one batch, or each batch of one task.
    mixing: Literal["mixed", "one_task"] = "mixed"
    #: Within a task: rows as they are, or each label equally often.
    within: Literal["natural", "class_balanced"] = "natural"


def sampling_misfits(sampling: Mapping[str, Any]) -> Iterator[Violation]:
    """What does not go together within `sampling`."""
    across, temperature = sampling.get("across", "proportional"), sampling.get("temperature", DEFAULT_TEMPERATURE)
    if across == "round_robin" and sampling.get("mixing", "mixed") == "mixed":
        yield Violation(
            "sampling.mixing",
            "round_robin lets the tasks' batches take turns, so it goes with one_task, not with mixed; "
            "use across temperature with a high temperature for equal shares in mixed batches",
        )
    if across != "temperature" and temperature != DEFAULT_TEMPERATURE:
        yield Violation("sampling.temperature", f"goes with across temperature, not with {across} (got {temperature})")
