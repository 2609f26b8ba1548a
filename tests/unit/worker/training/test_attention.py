"""Attention with dropout against torch's own, value by value and gradient by gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from worker.training.attention import attend

SHAPE = (3, 4, 7, 8)


def _vectors(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """query_BAQD, key_BAKD, value_BAKD, laid out as an encoder's are: heads behind places."""
    torch.manual_seed(0)
    rows, heads, places, width = SHAPE
    return [
        torch.randn(rows, places, heads, width).to(dtype).transpose(1, 2).requires_grad_()
        for _ in range(3)
    ]  # fmt: skip


def _mask() -> Tensor:
    """Rows of 7, 5 and 2 tokens."""
    return (torch.arange(SHAPE[2]) < torch.tensor([7, 5, 2])[:, None])[:, None, None, :]


def _gradients(result: Tensor, vectors: list[Tensor]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(5)
    return torch.autograd.grad(result, vectors, torch.randn(SHAPE, generator=generator).to(result.dtype))


@pytest.mark.parametrize("mask", [None, _mask(), _mask().expand(-1, -1, SHAPE[2], -1)], ids=["none", "row", "full"])
@pytest.mark.parametrize("scale", [None, 0.2])
def test_attention_without_noise_and_its_gradients_equal_torch_s(mask: Tensor | None, scale: float | None) -> None:
    """It stands in for torch's: what is trained must not depend on which of both computes."""
    vectors = _vectors()
    ours = attend(*vectors, mask, scale, torch.ones_like)
    theirs = functional.scaled_dot_product_attention(*vectors, attn_mask=mask, scale=scale)
    torch.testing.assert_close(ours, theirs)
    for mine, their in zip(_gradients(ours, vectors), _gradients(theirs, vectors), strict=True):
        torch.testing.assert_close(mine, their)


def test_attention_with_noise_has_the_gradients_of_what_it_computes() -> None:
    """Checked against the same formula left to autograd."""
    vectors = _vectors()
    query, key, value = vectors
    noise = (torch.rand(*SHAPE[:3], SHAPE[2], generator=torch.Generator().manual_seed(2)) < 0.8).double() / 0.8
    ours = attend(query, key, value, _mask(), None, lambda _: noise)
    scores = (query @ key.mT / SHAPE[3] ** 0.5).masked_fill(~_mask(), -torch.inf)
    plain = (scores.softmax(-1) * noise) @ value
    torch.testing.assert_close(ours, plain)
    for mine, their in zip(_gradients(ours, vectors), _gradients(plain, vectors), strict=True):
        torch.testing.assert_close(mine, their)


def test_attention_under_autocast_computes_and_answers_in_bfloat16() -> None:
    """As torch's attention does; mixed types would end in an error of the matrix product."""
    vectors = _vectors(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        ours = attend(*vectors, _mask(), None, torch.ones_like)
        theirs = functional.scaled_dot_product_attention(*vectors, attn_mask=_mask())
    assert ours.dtype == theirs.dtype == torch.bfloat16
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.03)
    for mine, their in zip(_gradients(ours, vectors), _gradients(theirs, vectors), strict=True):
        torch.testing.assert_close(mine, their, rtol=0, atol=0.06)


def test_attention_of_a_query_without_keys_is_finite_with_finite_gradients() -> None:
    """Padding under a sliding window: one such row must not turn the whole step into not-a-number."""
    vectors = _vectors()
    mask = _mask().expand(-1, -1, SHAPE[2], -1).clone()
    mask[1, :, 6] = False
    result = attend(*vectors, mask, None, torch.ones_like)
    assert all(torch.isfinite(values).all() for values in (result, *_gradients(result, vectors)))
