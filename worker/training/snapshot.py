"""The full state of a training as a value: taken between two steps, written to files, read back bit for bit.

Everything random in a step is a function of the seed and the step's number (worker.training.loop), so the state is the
weights, the optimizer's moments, the best weights so far, and a few numbers. Parameters that are never trained are not
in it: a fingerprint says that they are the same (worker.training.fingerprint). safetensors and JSON; nothing is
pickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

Tensors = dict[str, Tensor]
_FACTS = "facts.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`facts` is JSON; `step` in it is how many steps are done."""

    weights: Tensors
    moments: Tensors
    best: Tensors = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> int:
        return int(self.facts["step"])

    def files(self) -> Iterator[tuple[str, bytes]]:
        """One body at a time, so that they need not all be in memory."""
        for name in ("weights", "moments", "best"):
            tensors = getattr(self, name)
            if tensors:
                yield f"{name}.safetensors", save(tensors)
        yield _FACTS, json.dumps(self.facts).encode()

    @classmethod
    def from_files(cls, bodies: Mapping[str, bytes]) -> Snapshot:
        """
        Raises:
            ValueError: if they are no snapshot.
        """
        weights, moments, best = (_load(bodies.get(f"{name}.safetensors")) for name in ("weights", "moments", "best"))
        facts = json.loads(bodies.get(_FACTS, b""))
        if not isinstance(facts, dict) or "step" not in facts:
            raise ValueError(f"{_FACTS} names no step")
        return cls(weights, moments, best, facts)


def copy_weights(parameters: Mapping[str, nn.Parameter]) -> Tensors:
    """Copies on the CPU."""
    return {name: _copy(parameter.detach()) for name, parameter in parameters.items()}


def restore_weights(parameters: Mapping[str, nn.Parameter], weights: Tensors) -> None:
    """Write `weights` into the parameters in place.

    Raises:
        ValueError: if they are not those of these parameters.
    """
    if weights.keys() != parameters.keys():
        raise ValueError("the weights are of other parameters than this training has")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])


def copy_moments(parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> Tensors:
    """What the optimizer remembers of each parameter, as `name|what`, copied to the CPU."""
    return {
        f"{name}|{what}": _copy(value)
        for name, parameter in parameters.items()
        for what, value in optimizer.state.get(parameter, {}).items()
    }


def restore_moments(parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, moments: Tensors) -> None:
    """Give the optimizer back what `copy_moments` took; what it knows of other parameters is forgotten."""
    numbers = {name: number for number, name in enumerate(parameters)}
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        name, _, what = key.rpartition("|")
        state.setdefault(numbers[name], {})[what] = value.clone()
    # The parameters' numbers are their places in the groups, in order: that of `parameters`.
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _copy(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True).contiguous()


def _load(body: bytes | None) -> Tensors:
    # Copies, since views into a file's bytes are not aligned as torch's own memory is, and kernels may go by that.
    return {name: value.clone() for name, value in load(body).items()} if body else {}
