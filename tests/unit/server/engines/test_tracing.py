"""A traced encoder answers as the encoder does, for any architecture, shape and version of the weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from server.engines import tracing
from server.engines.torch_engine import TorchEngine
from shared.model import MultiTaskModel, Task, collate
from tests.tiny_model import Architecture, make_tiny_encoder

CPU = torch.device("cpu")
ROWS = [[2, 20, 3], [2, *range(20, 40), 3], [2, 3], [2, *range(9, 60), 3]]
TASKS = [Task("mood", ("bad", "good"))]


def _model(architecture: Architecture = "bert", seed: int = 0) -> MultiTaskModel:
    return MultiTaskModel(make_tiny_encoder(seed=seed, architecture=architecture), 32, 0, TASKS).eval()


class _CountedForward(nn.Module):
    """Counts how often Python runs the encoder's forward pass."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.calls: list[int] = []

    def forward(self, **inputs: Tensor) -> object:
        self.calls.append(1)
        return self.encoder(**inputs)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", get_args(Architecture))
def test_every_architecture_is_traced_and_gives_its_own_vectors(architecture: Architecture, precision: str) -> None:
    model = _model(architecture)
    model.encoder = _CountedForward(model.encoder)
    engine = TorchEngine(model, CPU, precision)
    calls = model.encoder.calls
    calls.clear()
    outputs = [engine.run_blocking(rows).pooled_BH for rows in (ROWS, ROWS[:1], ROWS[1:3])]
    assert not calls
    is_bfloat16 = precision == "bfloat16"
    for rows, output_BH in zip((ROWS, ROWS[:1], ROWS[1:3]), outputs, strict=True):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
            expected_BH = model.pool(*collate(rows, 0, CPU)).float()
        torch.testing.assert_close(
            torch.from_numpy(output_BH), expected_BH, rtol=1e-5, atol=2e-2 if is_bfloat16 else 1e-5
        )


def test_versions_of_one_architecture_share_the_function_and_not_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace for each version would stay in memory for ever: TorchScript frees none."""
    first = TorchEngine(_model(seed=1), CPU, "float32")
    monkeypatch.setattr(torch.jit, "trace", None)
    second = _model(seed=2)
    outputs = [engine.run_blocking(ROWS).pooled_BH for engine in (first, TorchEngine(second, CPU, "float32"))]
    for output_BH, model in zip(outputs, (_model(seed=1), second), strict=True):
        with torch.inference_mode():
            expected_BH = model.pool(*collate(ROWS, 0, CPU))
        torch.testing.assert_close(torch.from_numpy(output_BH), expected_BH, rtol=1e-5, atol=1e-5)
    assert abs(outputs[0] - outputs[1]).max() > 0.1


class _LengthInPython(nn.Module):
    """What a trace cannot hold: the number of tokens becomes a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 32)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.embedding(input_ids) * float(attention_mask.sum()))


class _FailsInTrace(_LengthInPython):
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        if torch._C._get_tracing_state() is not None:
            raise RuntimeError("not while tracing")
        return super().forward(input_ids, attention_mask)


@pytest.mark.parametrize("kind", [_LengthInPython, _FailsInTrace])
def test_an_encoder_that_cannot_be_traced_runs_op_by_op(kind: type[nn.Module]) -> None:
    model = MultiTaskModel(kind(), 32, 0, TASKS).eval()
    engine = TorchEngine(model, CPU, "float32")
    assert not engine.is_one_call
    output_BH = engine.run_blocking(ROWS).pooled_BH
    with torch.inference_mode():
        expected_BH = model.pool(*collate(ROWS, 0, CPU))
    torch.testing.assert_close(torch.from_numpy(output_BH), expected_BH)
    assert None in tracing._functions.values()
