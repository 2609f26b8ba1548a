"""Softmax over all tasks in one pass equals softmax a task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from server.engines.engine import Columns
from server.engines.torch_engine import TorchEngine
from shared.base_model import load_base_model
from shared.model import MultiTaskModel, Task
from tests.tiny_model import make_tiny_base


@pytest.mark.parametrize("widths", [[2], [3, 2], [2, 5, 3, 2], [7] * 20])
def test_softmax_in_one_pass_equals_softmax_a_task(widths: list[int]) -> None:
    """One wrong boundary would leak one head's scores into another's."""
    columns = Columns.of([Task(f"t{n}", tuple(map(str, range(width)))) for n, width in enumerate(widths)])
    logits_BC = np.random.default_rng(0).normal(scale=20, size=(5, sum(widths))).astype(np.float32)
    scores_BC = columns.scores(logits_BC)
    for start, width in zip(columns.starts, widths, strict=True):
        part = logits_BC[:, start : start + width].astype(np.float64)
        expected = np.exp(part - part.max(1, keepdims=True))
        expected /= expected.sum(1, keepdims=True)
        np.testing.assert_allclose(scores_BC[:, start : start + width], expected, atol=1e-6)


def test_softmax_without_tasks_is_empty() -> None:
    """The base encoder has no heads and still embeds."""
    assert Columns.of([]).scores(np.zeros((3, 0), np.float32)).shape == (3, 0)


def test_scores_of_multi_label_tasks_are_those_of_the_task_itself() -> None:
    """Kinds stand side by side in one array; training and probes compute the scores with torch."""
    labels = ("x", "y", "z")
    tasks = [
        Task("a", labels[:2]),
        Task("b", labels, kind="multi_label"),
        Task("c", labels),
        Task("d", labels[:1], kind="multi_label"),
    ]
    logits_BC = np.random.default_rng(0).normal(scale=60, size=(50, 9)).astype(np.float32)
    columns = Columns.of(tasks)
    scores_BC = columns.scores(logits_BC)
    for start, task in zip(columns.starts, tasks, strict=True):
        own = slice(start, start + len(task.labels))
        np.testing.assert_allclose(
            scores_BC[:, own], task.scores(torch.from_numpy(logits_BC[:, own])).numpy(), atol=1e-6
        )


@pytest.mark.parametrize("num_rows", [1, 2, 5, 16])
def test_scores_of_a_head_have_the_same_bits_beside_any_other_heads(tmp_path: Path, num_rows: int) -> None:
    """A task that a new version keeps must answer exactly as before, not nearly. 384 dimensions, as the default model
    has: there the last bits of one matrix product of all heads differ from those of fewer."""
    encoder = load_base_model(str(make_tiny_base(tmp_path, layers=1, hidden=384))).encoder
    labels = tuple("abcdefg")
    tasks = [Task(f"t{n}", labels[:n], 1.3, *(("multi_label", (0.5,) * n) if n % 2 else ())) for n in range(2, 8)]
    torch.manual_seed(0)
    whole = MultiTaskModel(encoder, 384, 0, tasks)
    rows = [[2, *range(20, 20 + 3 * n), 3] for n in range(1, num_rows + 1)]
    together = TorchEngine(whole, torch.device("cpu"), "float32").run_blocking(rows).scores_BC
    starts = Columns.of(tasks).starts
    for number in range(len(tasks)):
        kept = range(number + 1)
        fewer = MultiTaskModel(encoder, 384, 0, [tasks[n] for n in kept])
        fewer.heads = torch.nn.ModuleList(whole.heads[n] for n in kept)
        scores = TorchEngine(fewer, torch.device("cpu"), "float32").run_blocking(rows).scores_BC
        assert scores.tobytes() == together[:, : starts[number] + len(tasks[number].labels)].tobytes()
