"""Freezing: which parameters a policy keeps as they are.

Owns requires_grad and the train or eval mode that follows from it. A frozen module runs in eval mode, so its dropout is
off; no optimizer group holds a frozen parameter (worker.training.rates), so it comes out bit-identical.
"""

from __future__ import annotations

from torch import nn

from shared.errors import InvalidInputError, Violation
from shared.model import MultiTaskModel
from shared.spec import FreezeSpec
from worker.training.layers import depth_by_parameter, num_layers


def apply_freezing(model: MultiTaskModel, spec: FreezeSpec) -> None:
    """Set requires_grad of every parameter of `model` as the policy says.

    Raises:
        InvalidInputError: if more layers are to be frozen than the encoder has.
    """
    model.encoder.requires_grad_(spec.policy in ("none", "heads", "layers"))
    if spec.policy == "layers":
        _freeze_layers(model.encoder, spec.layers)
    for task, head in zip(model.tasks, model.heads, strict=True):
        head.requires_grad_(spec.policy != "all" and task.name not in spec.heads)


def _freeze_layers(encoder: nn.Module, layers: int) -> None:
    there = num_layers(encoder)
    if layers > there:
        hint = f"is {layers}, but the base model has {there} layers"
        raise InvalidInputError(f"freeze.layers {hint}", (Violation("freeze.layers", hint),))
    depths = depth_by_parameter(encoder)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(depths[name] > layers)


def enter_train_mode(model: MultiTaskModel) -> None:
    """Train mode, but for every module whose parameters are all frozen. Use this in place of `model.train()`."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def is_backbone_frozen(model: MultiTaskModel) -> bool:
    """Whether a row's sentence vector stays the same for the whole training."""
    return not any(parameter.requires_grad for parameter in model.encoder.parameters())


def count_parameters(model: MultiTaskModel) -> tuple[int, int]:
    """How many numbers are trained, and how many there are."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)
