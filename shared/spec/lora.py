"""Low-rank adapters in place of full training of the encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from shared.errors import Violation
from shared.spec.part import SpecPart

Target = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$")]
#: Freezing that leaves something of the encoder to adapt, and that does not thaw what adapters keep frozen.
LORA_POLICIES = ("none", "heads", "layers")


class LoraSpec(SpecPart):
    """LoRA (Hu et al. 2021): W + alpha/rank * B A, with W frozen, merged into W when the training is over.

    The field being there turns it on: `lora: {}` takes the defaults. With freeze.policy layers only the layers above
    the frozen ones get adapters.
    """

    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    alpha: Annotated[float, Field(gt=0, le=10_000)] = 16.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    #: attention, all_linear, or the last parts of names of linear modules such as `query` or `attention.output.dense`.
    targets: tuple[Target, ...] = ("attention",)

    @field_validator("targets")
    @classmethod
    def _something_to_adapt(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("is empty; name attention, all_linear or modules of the base model")
        return value


def lora_misfits(lora: Mapping[str, Any], freeze: Mapping[str, Any]) -> Iterator[Violation]:
    """Where adapters and freezing contradict each other."""
    policy = freeze.get("policy", "none")
    if policy not in LORA_POLICIES:
        yield Violation("lora", f"goes with freeze.policy {', '.join(LORA_POLICIES)}, not with {policy}")
