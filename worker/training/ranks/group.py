"""The ranks of a training as one of them sees it: its number, sums over all, and what rank 0 decides.

Owns torch.distributed's process group. A group of one is `SOLO`, so that the loop has one way only. Called by the
trainer's main thread; every rank must make the same calls in the same order.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")
#: Longer than anything that one rank does while the others wait: validation, a checkpoint, reading a slow disk.
PATIENCE = timedelta(hours=1)
#: torchrun and our own launcher set it for every rank.
WORLD_SIZE = "WORLD_SIZE"


class Group(Protocol):
    """What the training asks of its ranks."""

    rank: int
    size: int

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums of the values of all ranks, in float64."""

    def agree(self, value: T) -> T:
        """Rank 0's value, which must be JSON-like; the others' are ignored."""

    def share(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rank 0's tensors; the others' are ignored."""

    def device_for(self, device: str) -> str:
        """Where this rank computes, in a group that was told to compute on `device`."""

    def wrap(self, module: nn.Module) -> Wrapped:
        """`module`, whose gradients are added up over all ranks by the backward pass."""


class Wrapped(Protocol):
    """A module in a group. Drop it with `close` before its parameters are frozen or thawed."""

    def __call__(self, *arguments: Any) -> Tensor: ...

    def without_sum(self) -> AbstractContextManager[Any]:
        """For all backward passes of a step but the last: the last one adds up what they left."""

    def close(self) -> None: ...


class _Plain:
    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __call__(self, *arguments: Any) -> Tensor:
        result: Tensor = self._module(*arguments)
        return result

    def without_sum(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def close(self) -> None:
        """There is nothing to drop."""


class _Alone:
    rank, size = 0, 1

    def sum(self, values: Sequence[float]) -> list[float]:
        return list(values)

    def agree(self, value: T) -> T:
        return value

    def share(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return tensors

    def device_for(self, device: str) -> str:
        return device

    def wrap(self, module: nn.Module) -> Wrapped:
        return _Plain(module)


SOLO: Group = _Alone()


class _Parallel:
    """torch's DistributedDataParallel; it averages gradients, so what goes in is multiplied by the number of ranks."""

    def __init__(self, module: nn.Module, size: int) -> None:
        # Unused: the head of a task that no row of a rank's part belongs to.
        self._module: nn.Module | None = DistributedDataParallel(module, find_unused_parameters=True)
        self._size = size

    def __call__(self, *arguments: Any) -> Tensor:
        assert self._module is not None
        result: Tensor = self._module(*arguments) * self._size
        return result

    def without_sum(self) -> AbstractContextManager[Any]:
        assert isinstance(self._module, DistributedDataParallel)
        return self._module.no_sync()

    def close(self) -> None:
        # Its hooks on the parameters go when it is collected, and it stands in reference cycles.
        self._module = None
        gc.collect()


class Ranks:
    """A joined group; `close` at the end."""

    def __init__(self) -> None:
        """torch.distributed has been initialised."""
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self._device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")

    def sum(self, values: Sequence[float]) -> list[float]:
        total = torch.tensor(values, dtype=torch.float64, device=self._device)
        dist.all_reduce(total)
        return [float(value) for value in total]

    def agree(self, value: T) -> T:
        # JSON in place of broadcast_object_list, which would unpickle what comes over the network.
        body = json.dumps(value).encode() if self.rank == 0 else b""
        size = torch.tensor([len(body)], device=self._device)
        dist.broadcast(size, src=0)
        box = torch.empty(int(size), dtype=torch.uint8, device=self._device)
        if self.rank == 0:
            box.copy_(torch.frombuffer(bytearray(body), dtype=torch.uint8))
        dist.broadcast(box, src=0)
        agreed: T = json.loads(bytes(box.tolist()))
        return agreed

    def share(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        shapes = self.agree({name: list(tensor.shape) for name, tensor in tensors.items()})
        shared: dict[str, Tensor] = {}
        for name, shape in shapes.items():
            box = torch.empty(shape, device=self._device)  # float32, as all state of a training is
            if self.rank == 0:
                box.copy_(tensors[name])
            dist.broadcast(box, src=0)
            shared[name] = box
        return shared

    def device_for(self, device: str) -> str:
        return device if self._device.type == "cpu" else f"cuda:{torch.cuda.current_device()}"

    def wrap(self, module: nn.Module) -> Wrapped:
        return _Parallel(module, self.size)

    def close(self) -> None:
        dist.destroy_process_group()


def join(device: str) -> Ranks:
    """Join the group that the environment describes as torchrun does: NCCL between GPUs, Gloo on CPUs."""
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    return Ranks()
