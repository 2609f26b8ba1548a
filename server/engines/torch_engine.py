"""The reference engine: torch, in float32 or bfloat16, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from server.engines.engine import Columns, EngineOutput
from shared.model import MultiTaskModel, collate


def pick_device(setting: str) -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU."""
    if setting == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    return torch.device(setting)


class TorchEngine:
    """All heads are one matrix product: their weights are stacked, each divided by its temperature."""

    def __init__(self, model: MultiTaskModel, device: torch.device, precision: str) -> None:
        self.name = f"torch-{precision}"
        self._device = device
        self._dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._model = model.to(device).eval()
        self._columns = Columns.of(model.tasks)
        states = [(head.state_dict(), task.temperature) for head, task in zip(model.heads, model.tasks, strict=True)]
        weights = [state["weight"] / temperature for state, temperature in states]
        biases = [state["bias"] / temperature for state, temperature in states]
        self._weight_CH = torch.cat(weights) if weights else torch.zeros(0, model.hidden_size, device=device)
        self._bias_C = torch.cat(biases) if biases else torch.zeros(0, device=device)

    def run_blocking(self, rows: Sequence[Sequence[int]]) -> EngineOutput:
        with torch.inference_mode(), torch.autocast(self._device.type, self._dtype, self._dtype != torch.float32):
            pooled_BH = self._model.pool(*collate(rows, self._model.pad_token_id, self._device)).float()
        with torch.inference_mode():
            logits_BC = torch.nn.functional.linear(pooled_BH, self._weight_CH, self._bias_C)
        return EngineOutput(pooled_BH.cpu().numpy(), self._columns.scores(logits_BC.cpu().numpy()))
