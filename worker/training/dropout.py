"""Dropout on a CPU whose noise is cheap: a stand-in for torch's, for as long as its context is open.

torch draws the noise one number at a time where the CPU is not of Intel, and takes attention with dropout apart into
generic steps (measured by `python -m benchmarks.training --only limits`). Here four numbers come out of each draw of
numpy's SFC64, and attention is worker.training.attention. Any architecture that drops through torch's own functions is
served; what is on another device, or asked for in a way that attention does not know, is left to torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from worker.training.attention import attend

#: What a draw of 16 bits can be. A rate is rounded to a multiple of 1/65536, and what is kept is scaled by that one.
_VALUES = 2**16


class Dropout(TorchFunctionMode):
    """Noise that is a function of `seed` and of the order of calls. May be entered again; goes on then. One thread."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._bits = np.random.SFC64(seed)
        self._own: dict[Callable[..., Any], Callable[..., Any]] = {
            functional.dropout: self._drop,
            functional.scaled_dot_product_attention: self._attend,
        }

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._own.get(func, func)(*args, **(kwargs or {}))

    def noise(self, like: Tensor, rate: float) -> Tensor:
        """0 with probability `rate`, else what keeps the mean at 1; in shape and type of `like`."""
        dropped = round(rate * _VALUES)
        draws = self._bits.random_raw(-(-like.numel() // 4)).view(np.int16)[: like.numel()]
        kept = torch.empty(like.numel(), dtype=like.dtype)
        torch.ge(torch.from_numpy(draws), dropped - _VALUES // 2, out=kept)
        return kept.mul_(_VALUES / (_VALUES - dropped)).view(like.shape)

    def _drop(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or inplace or not _is_ours(input, p):
            return functional.dropout(input, p, training, inplace)
        return input * self.noise(input, p)

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        is_plain = query.ndim == 4 and (attn_mask is None or attn_mask.dtype == torch.bool)
        if is_causal or enable_gqa or not is_plain or not _is_ours(query, dropout_p):
            return functional.scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
        return attend(query, key, value, attn_mask, scale, lambda weights: self.noise(weights, dropout_p))


def _is_ours(tensor: Tensor, rate: float) -> bool:
    return tensor.device.type == "cpu" and 0 < round(rate * _VALUES) < _VALUES
