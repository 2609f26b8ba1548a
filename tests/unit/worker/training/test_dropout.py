"""Dropout of a training on a CPU: its noise, and that it reaches what torch's would."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from shared.model import MultiTaskModel
from tests.tiny_rows import make_corpus, make_rows
from worker.training.dropout import Dropout
from worker.training.precision import Compute
from worker.training.vectors import encode_batch

NUM = 1_000_000


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_noise_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    """A model trained under another rate than its config names would be another model."""
    noise = Dropout(7).noise(torch.empty(NUM), rate)
    dropped = float((noise == 0).float().mean())
    assert abs(dropped - rate) < 5 * math.sqrt(rate * (1 - rate) / NUM)
    kept = noise[noise != 0]
    assert kept.min() == kept.max() == pytest.approx(1 / (1 - rate), rel=1e-3)


def test_noise_of_neighbours_is_independent() -> None:
    """Four numbers come out of one draw: a pattern in them would drop the same units again and again."""
    dropped = (Dropout(7).noise(torch.empty(NUM), 0.1) == 0).double()
    bound = 5 / math.sqrt(NUM)
    for distance in range(1, 9):
        pairs = torch.stack([dropped[:-distance], dropped[distance:]])
        assert abs(float(torch.corrcoef(pairs)[0, 1])) < bound


def test_noise_is_a_function_of_seed_and_order() -> None:
    """A resumed step must see what the step would have seen, and two layers must not see the same."""
    first, again, other = Dropout(7), Dropout(7), Dropout(8)
    like = torch.empty(333)
    one, two = first.noise(like, 0.5), first.noise(like, 0.5)
    assert torch.equal(again.noise(like, 0.5), one)
    assert torch.equal(again.noise(like, 0.5), two)
    assert not torch.equal(one, two)
    assert not torch.equal(other.noise(like, 0.5), one)


def test_dropout_module_in_the_context_uses_its_noise_forward_and_backward() -> None:
    """The gradient must be dropped where the value was."""
    values = torch.ones(64, 32, requires_grad=True)
    with Dropout(3):
        result = nn.Dropout(0.25)(values)
    result.sum().backward()
    assert torch.equal(result.detach(), Dropout(3).noise(values, 0.25).detach())
    assert values.grad is not None
    assert torch.equal(values.grad, result.detach())


def test_dropout_goes_on_when_its_context_is_entered_again() -> None:
    """The batches of one accumulated step must not share their noise."""
    dropout, ones = Dropout(3), torch.ones(500)
    results = []
    for _ in range(2):
        with dropout:
            results.append(functional.dropout(ones, 0.5))
    assert not torch.equal(*results)


@pytest.mark.parametrize(
    ("rate", "training", "expected"), [(0.0, True, 1.0), (0.3, False, 1.0), (1.0, True, 0.0)]
)  # fmt: skip
def test_dropout_without_noise_is_torch_s(rate: float, training: bool, expected: float) -> None:
    """Frozen modules are in eval mode: nothing may be dropped there."""
    with Dropout(3):
        result = functional.dropout(torch.ones(100), rate, training)
    assert torch.equal(result, torch.full((100,), expected))


@pytest.mark.parametrize("case", ["causal", "additive mask", "grouped heads"])
def test_attention_that_is_not_ours_to_compute_is_left_to_torch(case: str) -> None:
    """A wrong guess at an unusual argument would train a wrong model in silence."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 4, 5, 8) for _ in range(3))
    more: dict[str, object] = {"causal": {"is_causal": True}, "additive mask": {"attn_mask": torch.randn(5, 5)}}.get(
        case, {"enable_gqa": True}
    )
    if case == "grouped heads":
        key, value = key[:, :2], value[:, :2]

    def attend() -> torch.Tensor:
        torch.manual_seed(1)
        return functional.scaled_dot_product_attention(query, key, value, dropout_p=0.5, **more)  # type: ignore[arg-type]

    expected = attend()
    with Dropout(3):
        assert torch.equal(attend(), expected)


def test_training_pass_draws_all_its_noise_from_the_context(tiny_model: MultiTaskModel, tiny_base: object) -> None:
    """Noise that torch still drew for itself would be slow, and nobody would notice."""
    corpus = make_corpus(tiny_base, [make_rows(8), make_rows(8, 3)])  # type: ignore[arg-type]
    tiny_model.train()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    passes = []
    for seed in (1, 1, 2):
        with Dropout(seed):
            compute = Compute(torch.device("cpu"), "float32")
            passes.append(encode_batch(tiny_model, corpus, compute, np.arange(len(corpus))))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(passes[0], passes[1])
    assert not torch.equal(passes[0], passes[2])
