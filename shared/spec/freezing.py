"""Which parameters stay as they are, and for how long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.errors import Violation
from shared.spec.part import Name, SpecPart, sequence


class GradualSpec(SpecPart):
    """How policy gradual thaws the encoder, from the top layer down to the embeddings (Howard & Ruder 2018, 3.3)."""

    #: What `every` counts.
    by: Literal["epoch", "step"] = "epoch"
    #: One more layer is trained after so many epochs or steps.
    every: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    #: So many of the top layers are trained from the start; 0: the heads alone.
    start_layers: Annotated[int, Field(ge=0, le=1000)] = 0
    #: Share of the stage that begins with a thaw in which the rate of what was thawed rises from zero.
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1


class FreezeSpec(SpecPart):
    """Which parameters stay as they are; the others are trained.

    none: nothing. all: everything, the job evaluates and calibrates only. backbone: the encoder. layers: the embeddings
    and the lowest `layers` layers. gradual: the encoder at first, then less and less of it, as `gradual` says. heads:
    the named heads, which every other policy but `all` may name as well.
    """

    policy: Literal["none", "all", "backbone", "layers", "heads", "gradual"] = "none"
    layers: Annotated[int, Field(ge=0, le=1000)] = 0
    heads: tuple[Name, ...] = ()
    gradual: GradualSpec = GradualSpec()


def freeze_misfits(freeze: Mapping[str, Any], names: Sequence[Any]) -> Iterator[Violation]:
    """What in `freeze` does not go together, or with the tasks called `names`."""
    heads = sequence(freeze.get("heads"))
    policy = freeze.get("policy", "none")
    if policy == "heads" and not heads:
        yield Violation("freeze.heads", "is empty; policy heads needs the names of the heads that stay as they are")
    if policy == "all" and heads:
        yield Violation("freeze.heads", "is not needed: policy all freezes every head")
    if policy != "layers" and freeze.get("layers"):
        yield Violation("freeze.layers", f"goes with policy layers, not with {policy} (got {freeze['layers']!r})")
    for index, head in enumerate(heads):
        if head not in names:
            yield Violation(f"freeze.heads[{index}]", f"{head!r} is not one of the job's tasks")
    yield from _gradual_misfits(freeze, policy, bool(names) and set(names) <= set(heads))


def _gradual_misfits(freeze: Mapping[str, Any], policy: object, has_no_head: bool) -> Iterator[Violation]:
    gradual = freeze.get("gradual") or {}
    if not isinstance(gradual, Mapping):
        return
    if policy != "gradual" and gradual != GradualSpec().model_dump() and gradual:
        yield Violation("freeze.gradual", f"goes with policy gradual, not with {policy}")
    if policy == "gradual" and has_no_head and not gradual.get("start_layers"):
        yield Violation(
            "freeze.gradual.start_layers",
            "is 0 while every head is frozen, so nothing would be trained before the first thaw; use at least 1",
        )
