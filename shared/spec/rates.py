"""Layer-wise learning rates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.spec.part import SpecPart


class LayerwiseSpec(SpecPart):
    """Layer-wise learning rates of the encoder (Howard & Ruder 2018, discriminative fine-tuning).

    anchor bottom: embeddings get `base_lr`, each layer above 1/decay times the one below.
    anchor top: the top layer gets `base_lr`, each layer below decay times the one above, embeddings last.
    """

    anchor: Literal["bottom", "top"] = "bottom"
    base_lr: Annotated[float, Field(gt=0, le=1)] = 1e-5
    decay: Annotated[float, Field(gt=0, le=1)] = 0.95
