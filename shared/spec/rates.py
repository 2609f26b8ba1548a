"""Layer-wise learning rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.errors import Violation
from shared.spec.part import Name, SpecPart, sequence


class LayerwiseSpec(SpecPart):
    """Layer-wise learning rates (Howard & Ruder 2018, discriminative fine-tuning).

    anchor bottom: embeddings get `base_lr`, each layer above 1/decay times the one below.
    anchor top: the top layer gets `base_lr`, each layer below decay times the one above, embeddings last.
    """

    anchor: Literal["bottom", "top"] = "bottom"
    base_lr: Annotated[float, Field(gt=0, le=1)] = 1e-5
    decay: Annotated[float, Field(gt=0, le=1)] = 0.95
    #: Task -> rate of its head; heads that are not named get optimizer.head_lr.
    heads: dict[Name, Annotated[float, Field(gt=0, le=1)]] = {}


def rate_misfits(rates: Mapping[str, Any], freeze: object, names: Sequence[Any]) -> Iterator[Violation]:
    """Rates of heads that the job does not have, or does not train."""
    freeze = freeze if isinstance(freeze, Mapping) else {}
    heads = rates.get("heads")
    for task in heads if isinstance(heads, Mapping) else ():
        if task not in names:
            yield Violation(f"layerwise_lr.heads[{task}]", f"{task!r} is not one of the job's tasks")
        elif freeze.get("policy") == "all" or task in sequence(freeze.get("heads")):
            yield Violation(f"layerwise_lr.heads[{task}]", "is the rate of a head that freeze keeps as it is")
