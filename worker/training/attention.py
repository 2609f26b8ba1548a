"""Attention with dropout on a CPU: five matrix products and one softmax, forward and backward, in one precision.

torch has no kernel of its own for it, and takes it apart into more passes over the weights than there need be. Letters:
B rows, A heads, Q and K places of queries and keys, D numbers a place and head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def attend(
    query_BAQD: Tensor, key_BAKD: Tensor, value_BAKD: Tensor, mask: Tensor | None, scale: float | None,
    noise: Callable[[Tensor], Tensor],
) -> Tensor:  # fmt: skip
    """Weighted sums_BAQD of the values (Vaswani et al. 2017, equation 1), the weights times `noise` of them.

    `mask`, boolean, true where a key counts, broadcasts to BAQK. A query for which no key counts gets some finite sum.
    """
    vectors = [query_BAQD, key_BAKD, value_BAKD]
    if torch.is_autocast_enabled("cpu"):
        vectors = [vector.to(torch.get_autocast_dtype("cpu")) for vector in vectors]
    scale = query_BAQD.shape[-1] ** -0.5 if scale is None else scale
    with torch.autocast("cpu", enabled=False):
        sums: Tensor = _Attention.apply(*vectors, mask, scale, noise)  # type: ignore[no-untyped-call]
    return sums


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query_BAQD: Tensor, key_BAKD: Tensor, value_BAKD: Tensor, mask: Tensor | None, scale: float,
        noise: Callable[[Tensor], Tensor],
    ) -> Tensor:  # fmt: skip
        query, key, value = (vectors.flatten(0, 1) for vectors in (query_BAQD, key_BAKD, value_BAKD))
        rows_and_heads = query_BAQD.shape[:2]
        scores_BAQK = _apart(query @ key.mT, rows_and_heads).mul_(scale)
        if mask is not None:
            scores_BAQK.masked_fill_(~mask, torch.finfo(scores_BAQK.dtype).min)
        weights_BAQK = scores_BAQK.softmax(-1)
        noise_BAQK = noise(weights_BAQK)
        noisy = (weights_BAQK * noise_BAQK).flatten(0, 1)
        ctx.save_for_backward(query, key, value, weights_BAQK, noise_BAQK, noisy)
        ctx.scale = scale
        return _apart(noisy @ value, rows_and_heads)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        query, key, value, weights_BAQK, noise_BAQK, noisy = ctx.saved_tensors
        rows_and_heads = weights_BAQK.shape[:2]
        grad = grads[0].flatten(0, 1)
        grad_weights_BAQK = _apart(grad @ value.mT, rows_and_heads).mul_(noise_BAQK)
        grad_scores_BAQK = torch._softmax_backward_data(grad_weights_BAQK, weights_BAQK, -1, weights_BAQK.dtype)
        grad_scores = grad_scores_BAQK.mul_(ctx.scale).flatten(0, 1)
        products = (grad_scores @ key, grad_scores.mT @ query, noisy.mT @ grad)
        return *(_apart(product, rows_and_heads) for product in products), None, None, None


def _apart(products: Tensor, rows_and_heads: torch.Size) -> Tensor:
    return products.view(*rows_and_heads, *products.shape[1:])
