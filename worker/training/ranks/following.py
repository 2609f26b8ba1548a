"""What rank 0 knows and the others take over: the state of an interrupted training, and when to stop.

Weights need nothing here: DistributedDataParallel hands out those of rank 0 when it wraps the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from shared.spec import JobSpec
from worker.training.ranks.group import Group
from worker.training.rates import RateGroup
from worker.training.snapshot import copy_moments, restore_moments


def following(ranks: Group, spec: JobSpec) -> JobSpec:
    """The spec by which this rank watches its training: peers neither validate nor judge, they hear of it."""
    if ranks.rank == 0:
        return spec
    quiet = spec.optimizer.model_copy(update={"max_loss_ratio": 0.0})
    return spec.model_copy(update={"stopping": None, "optimizer": quiet})


def share_start(ranks: Group, first_step: int, groups: Sequence[RateGroup], optimizer: torch.optim.Optimizer) -> int:
    """The step with which all ranks begin, and the optimizer's state of rank 0 for all of them."""
    first_step = ranks.agree(first_step)
    if ranks.size > 1 and first_step > 0:
        parameters = {name: parameter for group in groups for name, parameter in group.parameters.items()}
        moments = ranks.share(copy_moments(parameters, optimizer))
        if ranks.rank > 0:
            restore_moments(parameters, optimizer, moments)
    return first_step
