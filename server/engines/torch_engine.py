"""The reference engine: torch, in float32 or bfloat16, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from server.engines.engine import EngineOutput
from server.engines.heads import head_scores
from server.engines.tracing import plain_pool, traced_pool
from shared.errors import InvalidInputError
from shared.model import MultiTaskModel, collate


def pick_device(setting: str) -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU.

    Raises:
        InvalidInputError: if torch has no such GPU.
    """
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if setting == "auto":
        return torch.device("cuda:0" if num_gpus else "cpu")
    device = torch.device(setting)
    if device.type == "cuda" and (device.index or 0) >= num_gpus:
        build = torch.version.cuda or "no CUDA"
        raise InvalidInputError(
            f"SERVER_DEVICE {setting!r} is not there: torch {torch.__version__} ({build}) sees {num_gpus} GPUs"
        )
    return device


class TorchEngine:
    """Encoder, then heads."""

    def __init__(self, model: MultiTaskModel, device: torch.device, precision: str) -> None:
        self.name = f"torch-{precision}"
        self._device = device
        self._pad_token_id = model.pad_token_id
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        traced = traced_pool(model.to(device).eval(), device, dtype)
        #: The encoder runs without the interpreter's lock from its first op to its last.
        self.is_one_call = traced is not None
        self._pool = traced or plain_pool(model, dtype)
        self._scores = head_scores(model)

    def run_blocking(self, rows: Sequence[Sequence[int]]) -> EngineOutput:
        with torch.inference_mode():
            pooled_BH = self._pool(*collate(rows, self._pad_token_id, self._device))
            scores_BC = self._scores(pooled_BH)
        return EngineOutput(pooled_BH.cpu().numpy(), scores_BC.cpu().numpy())
