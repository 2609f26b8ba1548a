"""Which parameters stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.errors import Violation
from shared.spec.part import Name, SpecPart, sequence


class FreezeSpec(SpecPart):
    """Which parameters stay as they are; the others are trained.

    none: nothing. all: everything, the job evaluates and calibrates only. backbone: the encoder. layers: the embeddings
    and the lowest `layers` layers. heads: the named heads, which every other policy but `all` may name as well.
    """

    policy: Literal["none", "all", "backbone", "layers", "heads"] = "none"
    layers: Annotated[int, Field(ge=0, le=1000)] = 0
    heads: tuple[Name, ...] = ()


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
