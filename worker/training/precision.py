"""Device and precision of the encoder: bfloat16 where it is computed natively, else float32.

Weights, gradients and optimizer state are float32 in either case: autocast rounds the operands of matrix products. On a
CPU what a layer norm gives is rounded too, so that what goes from layer to layer is not cast back and forth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from shared.errors import InvalidInputError

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Compute:
    """Where the model is computed and how."""

    device: torch.device
    precision: Precision

    def in_float32(self) -> Compute:
        """The same device without autocast."""
        return replace(self, precision="float32")

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """The context for the encoder's forward pass."""
        is_rounding = self.precision == "bfloat16"
        norms = _RoundedNorms() if is_rounding and self.device.type == "cpu" else nullcontext()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_rounding), norms:
            yield


class _RoundedNorms(TorchFunctionMode):
    """Layer norms whose result is bfloat16."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        return result.to(torch.bfloat16) if func is functional.layer_norm else result


def choose_compute(device: str, precision: Literal["auto", "float32", "bfloat16"]) -> Compute:
    """
    Raises:
        InvalidInputError: if this machine has no such device.
    """
    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda" and not (torch.cuda.is_available() and (chosen.index or 0) < torch.cuda.device_count()):
        raise InvalidInputError(f"device {device!r} is not there: torch sees {torch.cuda.device_count()} GPUs; use cpu")
    if precision == "auto":
        precision = "bfloat16" if _has_bfloat16(chosen) else "float32"
    return Compute(chosen, precision)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Without one of these two, CPUs emulate bfloat16 and are slower with it than with float32.
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
