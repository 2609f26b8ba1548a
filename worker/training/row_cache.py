"""Tensors of the rows of a corpus, side by side in one block of memory, for as many rows as a budget holds.

Owns storage and which rows are in it; what is stored is the caller's. Letters: B rows, T places of the longest of them,
H numbers a place; a row has a place for each token, or a single one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from worker.training.corpus import Indices, length_mask, spans


class RowCache:
    """Rows are unpadded. Which ones fit is a function of their lengths and the budget: the longest, which neighbour
    in batches as well, so that few batches are half here and half not."""

    def __init__(
        self, lengths: Indices, width: int, dtype: torch.dtype, budget_bytes: int, device: torch.device
    ) -> None:
        self._lengths = lengths
        order = np.argsort(-lengths, kind="stable")
        ends = np.cumsum(lengths[order])
        place_bytes = width * dtype.itemsize
        #: The rows that fit, longest first.
        self.rows: Indices = order[ends * place_bytes <= budget_bytes]
        self._starts = np.full(len(lengths), -1, dtype=np.int64)
        self._starts[self.rows] = (ends - lengths[order])[: len(self.rows)]
        self._values = torch.empty(int(lengths[self.rows].sum()), width, dtype=dtype, device=device)

    @property
    def num_bytes(self) -> int:
        return self._values.numel() * self._values.element_size()

    def holds(self, batch: Indices) -> np.typing.NDArray[np.bool_]:
        """Which of the rows have a place here."""
        return np.asarray(self._starts[batch] >= 0)

    def clear(self) -> None:
        """Give the memory back; no row has a place any more."""
        self._values = self._values[:0].clone()
        self._starts[:] = -1
        self.rows = self.rows[:0]

    def put(self, batch: Indices, values_BTH: Tensor) -> None:
        """Keep the rows of `batch`, which must have places; what is beyond a row's length is left out."""
        mask_BT = torch.from_numpy(length_mask(self._lengths[batch])).to(self._values.device)
        self._values[self._positions(batch)] = values_BTH[mask_BT].to(self._values.dtype)

    def get(self, batch: Indices) -> Tensor:
        """values_BTH of the rows of `batch`, in float32, zeros beyond a row's length and where a row has no place."""
        lengths = np.where(self.holds(batch), self._lengths[batch], 0)
        longest = int(self._lengths[batch].max())
        mask_BT = torch.from_numpy(np.arange(longest) < lengths[:, None]).to(self._values.device)
        values_BTH = torch.zeros(len(batch), longest, self._values.shape[1], device=self._values.device)
        values_BTH[mask_BT] = self._values[self._positions(batch[lengths > 0])].float()
        return values_BTH

    def _positions(self, batch: Indices) -> Tensor:
        return torch.from_numpy(spans(self._starts[batch], self._lengths[batch])).to(self._values.device)
