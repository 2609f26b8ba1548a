"""What a job asks of its base model that such a model cannot give: layers, a window, rates, something to adapt.

Pure, over the spec as plain data; whoever knows the base model may ask, before a job is queued. Parts of the spec that
are malformed are skipped: that is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import Violation
from shared.plan import derived_rate_misfits, shape_misfits
from shared.spec import FreezeSpec, LayerwiseSpec

P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class BaseShape:
    """`max_tokens` is None where it is not known."""

    name: str
    layers: int
    max_tokens: int | None = None


def base_misfits(body: Mapping[str, Any], base: BaseShape) -> tuple[list[Violation], list[Violation]]:
    """What in `body` does not fit `base`: single fields, and fields together."""
    freeze = _part(FreezeSpec, body.get("freeze"))
    rates = _part(LayerwiseSpec, body.get("layerwise_lr"))
    single = [*_window_misfits(body.get("max_tokens"), base)]
    together: list[Violation] = []
    if freeze is not None:
        single += shape_misfits(freeze, base.layers, base.name)
        if body.get("lora") is not None:
            together += _lora_misfits(freeze, base)
    if rates is not None:
        together += derived_rate_misfits(rates, base.layers)
    return single, together


def _part(kind: type[P], body: object) -> P | None:
    try:
        return kind.model_validate(body or {})
    except ValidationError:
        return None


def _window_misfits(asked: object, base: BaseShape) -> Iterator[Violation]:
    if base.max_tokens is not None and isinstance(asked, int) and asked > base.max_tokens:
        takes = f"{asked} is more than the {base.max_tokens} tokens that {base.name} takes"
        yield Violation("max_tokens", f"{takes}; use 0 for its own limit")


def _lora_misfits(freeze: FreezeSpec, base: BaseShape) -> Iterator[Violation]:
    if freeze.policy == "layers" and freeze.layers >= base.layers:
        hint = (
            f"has nothing to adapt: freeze.layers {freeze.layers} freezes every layer, and the base model {base.name} "
            f"has {base.layers}; freeze fewer, or leave lora out"
        )
        yield Violation("lora", hint)
