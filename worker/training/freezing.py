"""Freezing: which parameters a policy keeps as they are.

Owns requires_grad and the train or eval mode that follows from it. A frozen module runs in eval mode, so its dropout is
off; a frozen parameter has no gradient, which the optimizer passes over whole, weight decay too, so it comes out
bit-identical. When a gradual policy thaws what is worker.training.thawing.
"""

from __future__ import annotations

from shared.errors import InvalidInputError
from shared.model import MultiTaskModel
from shared.plan import shape_misfits, stages
from shared.spec import FreezeSpec
from worker.training.layers import depth_by_parameter, num_layers


def apply_freezing(model: MultiTaskModel, spec: FreezeSpec) -> None:
    """Set requires_grad of every parameter of `model` as the policy says; policy gradual: as it says at its end.

    Raises:
        InvalidInputError: if more layers are to be frozen than the encoder has.
    """
    layers = num_layers(model.encoder)
    violations = tuple(shape_misfits(spec, layers))
    if violations:
        raise InvalidInputError("; ".join(f"{v.field} {v.description}" for v in violations), violations)
    lowest = stages(spec, layers)[-1].lowest
    depths = depth_by_parameter(model.encoder)
    for name, parameter in model.encoder.named_parameters():
        parameter.requires_grad_(depths[name] >= lowest)
    for task, head in zip(model.tasks, model.heads, strict=True):
        head.requires_grad_(spec.policy != "all" and task.name not in spec.heads)


def enter_train_mode(model: MultiTaskModel) -> None:
    """Train mode, but for every module whose parameters are all frozen. Use this in place of `model.train()`."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def count_parameters(model: MultiTaskModel) -> tuple[int, int]:
    """How many numbers are trained, and how many there are."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)
