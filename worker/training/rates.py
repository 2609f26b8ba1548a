"""Layer-wise learning rates: every trainable parameter in exactly one optimizer group.

Discriminative fine-tuning (Howard & Ruder 2018, ULMFiT, section 3.2) and layer-wise learning-rate decay, anchored at
the bottom or at the top. Owns the table of groups; the schedule over time is worker.training.loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from shared.model import MultiTaskModel
from shared.spec import JobSpec, LayerwiseSpec
from worker.training.layers import depth_by_parameter, depth_name, num_layers


@dataclass(frozen=True, slots=True)
class RateGroup:
    """Parameters that share a rate and a weight decay. Names are those of the whole model."""

    name: str
    lr: float
    weight_decay: float
    parameters: dict[str, nn.Parameter]

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters.values())

    def describe(self) -> dict[str, Any]:
        """The group's row in a job's report."""
        return {
            "group": self.name, "parameters": self.num_parameters, "lr": self.lr, "weight_decay": self.weight_decay,
        }  # fmt: skip


def rate_groups(model: MultiTaskModel, spec: JobSpec) -> list[RateGroup]:
    """Groups of the trainable parameters of `model`: embeddings first, then layers, then heads.

    One-dimensional parameters (biases, norms) are in groups of their own without weight decay (Devlin et al. 2019).
    """
    groups: dict[tuple[str, float], RateGroup] = {}
    for place, lr, name, parameter in _trainable(model, spec):
        weight_decay = spec.optimizer.weight_decay if parameter.ndim > 1 else 0.0
        group = groups.setdefault((place, weight_decay), RateGroup(place, lr, weight_decay, {}))
        group.parameters[name] = parameter
    return list(groups.values())


def depth_rate(spec: LayerwiseSpec, depth: int, layers: int) -> float:
    """The rate at `depth` (0: embeddings) of an encoder with `layers` layers."""
    if spec.anchor == "bottom":
        return spec.base_lr / spec.decay**depth
    return float(spec.base_lr * spec.decay ** (layers - depth))


def _trainable(model: MultiTaskModel, spec: JobSpec) -> Iterator[tuple[str, float, str, nn.Parameter]]:
    layers = num_layers(model.encoder)
    depths = depth_by_parameter(model.encoder)
    encoder = dict(model.encoder.named_parameters())
    for name in sorted(encoder, key=lambda name: depths[name]):
        if encoder[name].requires_grad:
            rate = depth_rate(spec.layerwise_lr, depths[name], layers)
            yield depth_name(depths[name]), rate, f"encoder.{name}", encoder[name]
    for number, (task, head) in enumerate(zip(model.tasks, model.heads, strict=True)):
        for name, parameter in head.named_parameters():
            if parameter.requires_grad:
                yield f"head.{task.name}", spec.optimizer.head_lr, f"heads.{number}.{name}", parameter
