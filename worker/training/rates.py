"""Layer-wise learning rates: every trainable parameter in exactly one optimizer group.

Discriminative fine-tuning (Howard & Ruder 2018, ULMFiT, section 3.2) and layer-wise learning-rate decay, anchored at
the bottom or at the top. Owns the table of groups; the schedule over time is worker.training.schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from shared.model import MultiTaskModel
from shared.plan import depth_name, depth_rate, head_rate
from shared.spec import JobSpec
from worker.training.layers import depth_by_parameter, num_layers


@dataclass(frozen=True, slots=True)
class RateGroup:
    """Parameters that share a depth, a rate and a weight decay. Names are those of the whole model."""

    name: str
    #: 0: embeddings; heads lie one above the top layer.
    depth: int
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
    for place, name, parameter in _trainable(model, spec):
        weight_decay = spec.optimizer.weight_decay if parameter.ndim > 1 else 0.0
        group = RateGroup(place.name, place.depth, place.lr, weight_decay, {})
        groups.setdefault((place.name, weight_decay), group).parameters[name] = parameter
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    depth: int
    lr: float


def _trainable(model: MultiTaskModel, spec: JobSpec) -> Iterator[tuple[_Place, str, nn.Parameter]]:
    layers = num_layers(model.encoder)
    depths = depth_by_parameter(model.encoder)
    encoder = dict(model.encoder.named_parameters())
    for name in sorted(encoder, key=lambda name: depths[name]):
        if encoder[name].requires_grad:
            depth = depths[name]
            place = _Place(depth_name(depth), depth, depth_rate(spec.layerwise_lr, depth, layers))
            yield place, f"encoder.{name}", encoder[name]
    for number, (task, head) in enumerate(zip(model.tasks, model.heads, strict=True)):
        place = _Place(f"head.{task.name}", layers + 1, head_rate(spec, task.name))
        for name, parameter in head.named_parameters():
            if parameter.requires_grad:
                yield place, f"heads.{number}.{name}", parameter
