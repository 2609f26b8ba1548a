"""What a job spec comes to for an encoder of so many layers: the rate of each part, and what is trained when.

Pure arithmetic over the spec, shared by the server (which shows it before a job is queued) and the trainer (which
does it). Depths: 0 for the embeddings, 1 to L for the layers from the bottom up, L + 1 for the heads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared.errors import InvalidInputError, Violation
from shared.spec import FreezeSpec, JobSpec, LayerwiseSpec

#: No rate of a layer may come out above what base_lr itself may be (shared.spec.rates).
MAX_RATE = 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """From `start` on, in steps or epochs counted from 0, everything at depth `lowest` and above is trained."""

    start: int
    lowest: int


def stages(freeze: FreezeSpec, layers: int) -> list[Stage]:
    """What is trained when; a single stage but for policy gradual (Howard & Ruder 2018, gradual unfreezing).

    Frozen heads are not in it: they stay frozen throughout.
    """
    if freeze.policy != "gradual":
        lowest = {"none": 0, "heads": 0, "layers": freeze.layers + 1}.get(freeze.policy, layers + 1)
        return [Stage(0, lowest)]
    first = layers + 1 - freeze.gradual.start_layers
    return [Stage((first - lowest) * freeze.gradual.every, lowest) for lowest in range(first, -1, -1)]


def shape_misfits(freeze: FreezeSpec, layers: int, base_model: str = "") -> Iterator[Violation]:
    """What `freeze` asks of an encoder that has not so many layers."""
    there = f"but the base model {base_model}".rstrip() + f" has {layers} layers"
    if freeze.layers > layers:
        yield Violation("freeze.layers", f"is {freeze.layers}, {there}")
    if freeze.gradual.start_layers > layers:
        yield Violation("freeze.gradual.start_layers", f"is {freeze.gradual.start_layers}, {there}")


def depth_name(depth: int) -> str:
    """What tables call a depth. Layers are counted from 0, as in the names of their parameters."""
    return "embeddings" if depth == 0 else f"layer.{depth - 1}"


def stage_name(lowest: int, layers: int, has_adapters: bool = False) -> str:
    """What progress and reports call a stage: `heads`, `layer.4 and above`, `everything`.

    With adapters (LoRA): `adapters and heads`, `adapters in layer.4 and above, heads`.
    """
    if lowest > layers:
        return "heads"
    if has_adapters:
        return f"adapters in {depth_name(lowest)} and above, heads" if lowest > 1 else "adapters and heads"
    return f"{depth_name(lowest)} and above" if lowest else "everything"


def depth_rate(spec: LayerwiseSpec, depth: int, layers: int) -> float:
    """The rate at `depth` (0: embeddings) of an encoder with `layers` layers.

    Raises:
        InvalidInputError: if it is above MAX_RATE.
    """
    rate = _rate(spec, depth, layers)
    if rate > MAX_RATE:
        violation = _too_high(spec, depth, rate)
        raise InvalidInputError(f"{violation.field} {violation.description}", (violation,))
    return rate


def derived_rate_misfits(spec: LayerwiseSpec, layers: int) -> Iterator[Violation]:
    """Rates of layers above MAX_RATE: the highest of them, which is that of the top layer or there is none."""
    highest = _rate(spec, layers, layers)
    if highest > MAX_RATE:
        yield _too_high(spec, layers, highest)


def _rate(spec: LayerwiseSpec, depth: int, layers: int) -> float:
    if spec.anchor == "top":
        return float(spec.base_lr * spec.decay ** (layers - depth))
    share = spec.decay**depth
    return spec.base_lr / share if share else math.inf


def _too_high(spec: LayerwiseSpec, depth: int, rate: float) -> Violation:
    hint = (
        f"gives {depth_name(depth)} the rate {rate:.3g}, and {MAX_RATE:g} is the highest: with anchor bottom it is "
        f"base_lr {spec.base_lr:g} / decay {spec.decay:g} to the power of {depth}; raise decay, lower base_lr, or "
        "use anchor top"
    )
    return Violation("layerwise_lr", hint)


def head_rate(spec: JobSpec, task: str) -> float:
    """The rate of the head of `task`."""
    return spec.layerwise_lr.heads.get(task, spec.optimizer.head_lr)


def describe_plan(spec: JobSpec, base_model: str, layers: int) -> dict[str, Any]:
    """What is known of a job before its data is read: the rate of each part, what is trained when, what never is.

    Steps and epochs are counted from 1. How many steps there are depends on the data, so with freeze.gradual.by step
    nothing is said to be never reached. With LoRA a layer's rate is that of its adapters; that every layer has modules
    that lora.targets match is taken for granted, since names of modules are not known here.
    """
    found = stages(spec.freeze, layers)
    unit = spec.freeze.gradual.by
    has_adapters = spec.lora is not None
    is_counted = unit == "epoch" and not spec.optimizer.min_steps
    reached = [stage for stage in found if not (is_counted and stage.start >= spec.optimizer.epochs)]
    return {
        "base_model": base_model,
        "layers": layers,
        "learning_rates": list(_rate_rows(spec, layers, reached)),
        "stages": [
            {f"from_{unit}": s.start + 1, "trained": stage_name(s.lowest, layers, has_adapters)} for s in reached
        ],
        "stages_not_reached": [depth_name(stage.lowest) for stage in found[len(reached) :]],
    }


def _rate_rows(spec: JobSpec, layers: int, reached: list[Stage]) -> Iterator[dict[str, Any]]:
    unit = spec.freeze.gradual.by
    for depth in range(layers + 1):
        is_adapted = spec.lora is None or depth > 0  # there are no adapters in the embeddings
        stage = next((stage for stage in reached if stage.lowest <= depth and is_adapted), None)
        when = "never" if stage is None else f"from {unit} {stage.start + 1}" if stage.start else "from the start"
        yield {"part": depth_name(depth), "lr": depth_rate(spec.layerwise_lr, depth, layers), "trained": when}
    for task in spec.tasks:
        is_frozen = spec.freeze.policy == "all" or task.name in spec.freeze.heads
        yield {
            "part": f"head.{task.name}",
            "lr": head_rate(spec, task.name),
            "trained": "never" if is_frozen else "from the start",
        }
