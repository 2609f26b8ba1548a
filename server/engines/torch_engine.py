"""The reference engine: torch, in float32 or bfloat16, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from server.engines.engine import Columns, EngineOutput
from server.engines.tracing import traced_pool
from shared.model import MultiTaskModel, collate


def pick_device(setting: str) -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU."""
    if setting == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    return torch.device(setting)


class TorchEngine:
    """Encoder, then each head by itself, its weights divided by its temperature.

    As one matrix product of all heads, the last bits of a score would depend on which other heads there are, and a task
    that is carried into a new version would not answer exactly as it did.
    """

    def __init__(self, model: MultiTaskModel, device: torch.device, precision: str) -> None:
        self.name = f"torch-{precision}"
        self._device = device
        self._pad_token_id = model.pad_token_id
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._pool = traced_pool(model.to(device).eval(), device, dtype)
        self._columns = Columns.of(model.tasks)
        states = [(head.state_dict(), task.temperature) for head, task in zip(model.heads, model.tasks, strict=True)]
        self._heads = [(state["weight"] / temperature, state["bias"] / temperature) for state, temperature in states]

    def run_blocking(self, rows: Sequence[Sequence[int]]) -> EngineOutput:
        with torch.inference_mode():
            pooled_BH = self._pool(*collate(rows, self._pad_token_id, self._device))
            logits = [torch.nn.functional.linear(pooled_BH, weight_CH, bias_C) for weight_CH, bias_C in self._heads]
            logits_BC = torch.cat(logits, dim=1) if logits else pooled_BH.new_zeros(len(rows), 0)
        return EngineOutput(pooled_BH.cpu().numpy(), self._columns.scores(logits_BC.cpu().numpy()))
