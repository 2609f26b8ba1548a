"""Gradients of large embedding tables: gathered by the rows that a step uses, handed on as dense ones that are reused.

A step uses a thousand of 30,522 rows. torch makes a new dense gradient (45 MiB) for each batch, whose pages the system
clears first: more work than the lookup. The optimizer sees the same in either case: zeros in all other rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Numbers in a table from which on gathering pays; smaller ones (positions, token types) are left alone.
LARGE = 2**20


class EmbeddingTables:
    """Between `spread` and `clear` the gradients of `tables` are dense, before they are not."""

    def __init__(self, tables: Sequence[nn.Embedding]) -> None:
        self._tables = tables
        self._dense: dict[nn.Embedding, Tensor] = {}
        self._rows: dict[nn.Embedding, Tensor] = {}
        for table in tables:
            table.sparse = True

    def spread(self) -> None:
        """Make gathered gradients dense."""
        for table in self._tables:
            gathered = table.weight.grad
            if gathered is None:
                continue
            gathered = gathered.coalesce()
            if table not in self._dense:
                self._dense[table] = torch.zeros_like(table.weight)
            self._rows[table] = gathered.indices()[0]
            self._dense[table][self._rows[table]] = gathered.values()
            table.weight.grad = self._dense[table]

    def clear(self) -> None:
        """Make the dense gradients zero again; the parameters must have let go of them."""
        for table, rows in self._rows.items():
            self._dense[table][rows] = 0.0
        self._rows.clear()


def large_tables(model: nn.Module) -> list[nn.Embedding]:
    """Those of `model` for which gathering pays."""
    tables = (module for module in model.modules() if isinstance(module, nn.Embedding))
    return [table for table in tables if table.weight.numel() >= LARGE and not table.scale_grad_by_freq]
