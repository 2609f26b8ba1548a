"""Gradients of large embedding tables, gathered by rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worker.training.embedding_tables import LARGE, EmbeddingTables, large_tables

WIDTH = 256
NUM = LARGE // WIDTH


def _model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(NUM, WIDTH, padding_idx=0), nn.Linear(WIDTH, 3))


def _spread(model: nn.Sequential, tables: EmbeddingTables) -> Tensor:
    """The table's gradient, as the optimizer sees it."""
    tables.spread()
    gradient = model[0].weight.grad
    assert isinstance(gradient, Tensor)
    return gradient


def _train(model: nn.Sequential, tables: EmbeddingTables) -> list[Tensor]:
    """Three steps of two batches each; the table's gradient in each of them."""
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    generator = torch.Generator().manual_seed(1)
    gradients = []
    for _ in range(3):
        for _ in range(2):
            ids = torch.randint(NUM, (8, 20), generator=generator)
            ids[:, 5:9], ids[:, 15:] = 7, 0  # a row that many places use, and padding
            model(ids).square().sum().backward()
        gradients.append(_spread(model, tables).clone())
        optimizer.step()
        optimizer.zero_grad()
        tables.clear()
    return gradients


def test_gathered_gradients_are_those_that_torch_makes() -> None:
    """Steps, clipping and AdamW's moments rest on them; what one step leaves behind would spoil the next."""
    plain, gathering = _model(), _model()
    expected = _train(plain, EmbeddingTables([]))
    actual = _train(gathering, EmbeddingTables(large_tables(gathering)))
    for mine, their in zip(actual, expected, strict=True):
        assert not mine.is_sparse
        assert torch.equal(mine.any(dim=1), their.any(dim=1))
        torch.testing.assert_close(mine, their)
    torch.testing.assert_close(gathering.state_dict(), plain.state_dict())


def test_gathered_gradients_use_one_dense_tensor_again() -> None:
    """That is the point: a new one is cleared by the system, page by page."""
    model = _model()
    tables = EmbeddingTables(large_tables(model))
    places = []
    for _ in range(2):
        model(torch.tensor([[1, 2]])).sum().backward()
        places.append(_spread(model, tables).data_ptr())
        model.zero_grad()
        tables.clear()
    assert places[0] == places[1]


def test_gathering_passes_over_frozen_tables_and_steps_without_rows() -> None:
    """A frozen table has no gradient, and AdamW must go on passing over it."""
    model = _model()
    tables = EmbeddingTables(large_tables(model))
    model[0].requires_grad_(False)
    model(torch.tensor([[1, 2]])).sum().backward()
    tables.spread()
    tables.clear()
    assert model[0].weight.grad is None


def test_large_tables_are_the_vocabulary_and_not_the_positions() -> None:
    """For a small table a dense gradient is the cheaper one."""
    vocabulary, positions = nn.Embedding(NUM, WIDTH), nn.Embedding(512, WIDTH)
    by_frequency = nn.Embedding(NUM, WIDTH, scale_grad_by_freq=True)  # not a thing that torch can gather
    assert large_tables(nn.ModuleList([vocabulary, positions, by_frequency])) == [vocabulary]
