"""What the heads give: each task its own scores, whatever stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs
from torch import nn

from server.engines import heads
from server.engines.engine import Columns
from server.engines.heads import head_scores
from server.engines.torch_engine import TorchEngine
from shared.base_model import load_base_model
from shared.model import MultiTaskModel, Task
from tests.tiny_model import make_tiny_base

LABELS = tuple("abcdefg")
TASKS = [
    Task("a", LABELS[:2], 1.7),
    Task("b", LABELS[:3], 0.6, "multi_label", (0.5,) * 3),
    Task("c", LABELS),
    Task("d", LABELS[:1], 1.0, "multi_label", (0.5,)),
]


def model_of(encoder: nn.Module, hidden_size: int, tasks: list[Task]) -> MultiTaskModel:
    """Heads far from zero, so that scores reach both ends."""
    torch.manual_seed(0)
    model = MultiTaskModel(encoder, hidden_size, 0, tasks)
    with torch.no_grad():
        for parameter in model.heads.parameters():
            parameter.mul_(60.0)
    return model


@pytest.mark.parametrize("tasks", [TASKS, TASKS[:1], [Task(f"t{n}", LABELS) for n in range(20)]])
def test_scores_of_all_heads_are_those_of_each_task_itself(tmp_path: Path, tasks: list[Task]) -> None:
    """Kinds stand side by side in one array; training and probes compute the scores task by task."""
    model = model_of(load_base_model(str(make_tiny_base(tmp_path))).encoder, 32, tasks)
    pooled_BH = torch.randn(5, 32)
    with torch.inference_mode():
        scores_BC = head_scores(model)(pooled_BH)
        expected = [task.scores(head(pooled_BH)) for task, head in zip(tasks, model.heads, strict=True)]
    torch.testing.assert_close(scores_BC, torch.cat(expected, 1), atol=1e-5, rtol=1e-4)
    assert Columns.of(tasks).starts[-1] + len(tasks[-1].labels) == scores_BC.shape[1]


def test_scores_without_heads_are_empty(tmp_path: Path) -> None:
    """The base encoder has no heads and still embeds."""
    model = model_of(load_base_model(str(make_tiny_base(tmp_path))).encoder, 32, [])
    assert head_scores(model)(torch.zeros(3, 32)).shape == (3, 0)


def test_heads_that_cannot_be_compiled_run_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer versions of Python or torch may not have TorchScript."""
    model = model_of(load_base_model(str(make_tiny_base(tmp_path))).encoder, 32, TASKS)
    pooled_BH = torch.randn(5, 32)
    compiled_BC = head_scores(model)(pooled_BH)
    monkeypatch.setattr(torch.jit, "script", lambda _: 1 / 0)
    heads._compiled.cache_clear()
    try:
        with capture_logs() as logs:
            plain_BC = head_scores(model)(pooled_BH)
    finally:
        heads._compiled.cache_clear()
    torch.testing.assert_close(plain_BC, compiled_BC)
    assert [line["event"] for line in logs] == ["the heads cannot be compiled and run one by one"]


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
