"""All heads of a model as one call that leaves Python (docs/decisions/0022-traced-encoder.md), however many there are.

Each head is computed by itself, its weights divided by its temperature. As one matrix product of all heads, the last
bits of a score would depend on which other heads there are, and a task that is carried into a new version would not
answer exactly as it did.

Tensor shapes: B rows, H hidden size, C labels of all tasks one after the other.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache

import structlog
import torch
from torch import Tensor

from shared.model import MultiTaskModel

log = structlog.get_logger(__name__)

Scores = Callable[[Tensor], Tensor]


def head_scores(model: MultiTaskModel) -> Scores:
    """The heads as a function pooled_BH -> scores_BC: of each task what `Task.scores` gives."""
    states = [(head.state_dict(), task.temperature) for head, task in zip(model.heads, model.tasks, strict=True)]
    if not states:
        return lambda pooled_BH: pooled_BH.new_zeros(pooled_BH.shape[0], 0)
    weights = [state["weight"] / temperature for state, temperature in states]
    biases = [state["bias"] / temperature for state, temperature in states]
    are_multi_label = [task.is_multi_label for task in model.tasks]
    function = _compiled()

    def scores(pooled_BH: Tensor) -> Tensor:
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]  # see server.engines.tracing
            return function(pooled_BH, weights, biases, are_multi_label)

    return scores


def _scores(pooled_BH: Tensor, weights: list[Tensor], biases: list[Tensor], are_multi_label: list[bool]) -> Tensor:
    scores: list[Tensor] = []
    for weight_CH, bias_C, is_multi_label in zip(weights, biases, are_multi_label):  # noqa: B905 - as TorchScript has it
        logits_BC = torch.nn.functional.linear(pooled_BH, weight_CH, bias_C)
        if is_multi_label:
            scores.append(torch.sigmoid(logits_BC))
        else:
            scores.append(torch.softmax(logits_BC, 1))
    return torch.cat(scores, 1)


@cache
def _compiled() -> Callable[..., Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is deprecated is known (0022)
            function: Callable[..., Tensor] = torch.jit.script(_scores)
    except Exception as error:  # noqa: BLE001 - a torch or Python without it runs them one by one
        log.warning("the heads cannot be compiled and run one by one", error=repr(error))
        return _scores
    return function
