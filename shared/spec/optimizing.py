"""How long, in what steps and how precisely is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from shared.spec.part import SpecPart


class OptimizerSpec(SpecPart):
    """AdamW with linear warm-up and linear decay to zero (Devlin et al. 2019, appendix A.2)."""

    head_lr: Annotated[float, Field(gt=0, le=1)] = 1e-4
    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    #: Add whole epochs to `epochs` until there are at least so many steps: a few hundred rows need more passes.
    min_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    #: Upper bound of rows x longest row in one batch, in tokens with padding.
    tokens_per_batch: Annotated[int, Field(ge=16, le=1_000_000)] = 2048
    rows_per_batch: Annotated[int, Field(ge=1, le=4096)] = 32
    #: Batches whose gradients are summed up for one step: the gradient of one big batch in the memory of a small one.
    accumulate: Annotated[int, Field(ge=1, le=4096)] = 1
    #: Share of all steps in which the rates rise from zero.
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    #: Largest gradient norm; 0 does not clip.
    clip: Annotated[float, Field(ge=0)] = 1.0
    #: Fail when the smoothed loss exceeds so many times the lowest it had; 0: only when it is not finite.
    max_loss_ratio: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 13
    #: auto: bfloat16 where the device computes it natively, else float32.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    @field_validator("max_loss_ratio")
    @classmethod
    def _more_than_the_lowest(cls, value: float) -> float:
        if 0 < value <= 1:
            raise ValueError("must be more than 1, since it is a multiple of the lowest loss; 0 turns it off")
        return value
