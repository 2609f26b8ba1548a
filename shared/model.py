"""The model: one encoder, mean pooling, one linear head per task.

Tensor shapes: B rows, T tokens (longest of the batch), H hidden size, C labels of one task. Owns the forward pass
only; files are shared.model_files, where base weights come from is shared.base_model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

TaskKind = Literal["single_label", "multi_label"]


@dataclass(frozen=True, slots=True)
class Task:
    """A head's definition. `temperature` divides its logits so that scores are calibrated (Guo et al. 2017).

    A text has one label of a single-label task (scores: softmax), any number of a multi-label one (a sigmoid for each;
    a label is told where its score is at least its threshold).
    """

    name: str
    labels: tuple[str, ...]
    temperature: float = 1.0
    kind: TaskKind = "single_label"
    #: One for each label of a multi-label task; of a single-label one none.
    thresholds: tuple[float, ...] = ()

    @property
    def is_multi_label(self) -> bool:
        return self.kind == "multi_label"

    def scores(self, logits_BC: Tensor) -> Tensor:
        """Calibrated probabilities."""
        scaled_BC = logits_BC / self.temperature
        return torch.sigmoid(scaled_BC) if self.is_multi_label else torch.softmax(scaled_BC, dim=-1)


class MultiTaskModel(nn.Module):
    """Encoder and heads. The encoder's own pooler is removed: it is neither used nor trained."""

    def __init__(self, encoder: nn.Module, hidden_size: int, pad_token_id: int, tasks: Sequence[Task]) -> None:
        super().__init__()
        drop_pooler(encoder)
        self.encoder = encoder
        self.hidden_size = hidden_size
        self.pad_token_id = pad_token_id
        self.tasks = tuple(tasks)
        # A list, since names of a ModuleDict may not be those of its own methods, and a task may be called `type`.
        self.heads = nn.ModuleList(nn.Linear(hidden_size, len(task.labels)) for task in tasks)

    def head(self, name: str) -> nn.Module:
        """The head of the task called `name`."""
        return self.heads[[task.name for task in self.tasks].index(name)]

    def pool(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Sentence vectors pooled_BH: the mean of the token vectors over the attention mask, not normalised."""
        hidden_BTH = self.encoder(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
        return mean_pool(hidden_BTH, mask_BT)

    def forward(self, ids_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Sentence vectors pooled_BH and, for each task in order, logits_BC."""
        pooled_BH = self.pool(ids_BT, mask_BT)
        return pooled_BH, [head(pooled_BH) for head in self.heads]


def drop_pooler(encoder: nn.Module) -> None:
    """Remove the pooler that some architectures (BERT, RoBERTa, MPNet) carry; their forward allows its absence."""
    if isinstance(getattr(encoder, "pooler", None), nn.Module):
        encoder.pooler = None  # type: ignore[assignment]


def mean_pool(hidden_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean over the attention mask, in float32 (Reimers & Gurevych 2019)."""
    mask_BT1 = mask_BT.unsqueeze(-1).float()
    return (hidden_BTH.float() * mask_BT1).sum(1) / mask_BT1.sum(1).clamp(min=1e-9)


def collate(rows: Sequence[Sequence[int]], pad_token_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pad token ids to the longest row: ids_BT and mask_BT, both int64 on `device`."""
    longest = max(len(row) for row in rows)
    ids_BT = torch.tensor([[*row, *[pad_token_id] * (longest - len(row))] for row in rows])
    mask_BT = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids_BT.to(device), mask_BT.to(device)
