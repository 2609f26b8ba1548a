"""Sentence vectors that rest on outputs of frozen layers, each computed once: nothing frozen is computed twice.

With a frozen encoder its vectors are kept; with the lowest N layers frozen, the hidden states that come out of them.
What does not fit into the budget is computed for each batch. Frozen layers run without dropout, so what is kept is what
would be computed again. Filled before it is used, in an order that depends on the rows alone: a resumed training fills
it with the same bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shared.errors import BaseModelError
from shared.model import MultiTaskModel, mean_pool
from shared.plan import depth_name
from worker.training.corpus import Corpus, Indices
from worker.training.halves import Halves
from worker.training.kept_vectors import KeptVectors, vectors_key
from worker.training.precision import Compute
from worker.training.row_cache import RowCache
from worker.training.vectors import batches_by_length, encode_batch, padded

MIB = 2**20
#: Rows on which both halves of an encoder are compared with the whole.
_CHECKED_ROWS = 8


class CachedVectors(ABC):
    """A source of vectors for the loop. `fill` it once; a change of frozen weights makes it wrong."""

    def __init__(self, cache: RowCache, corpus: Corpus, name: str) -> None:
        self._cache = cache
        self._corpus = corpus
        self._name = name
        self._hits = self._misses = 0
        #: `fill` has nothing left to do.
        self.is_filled = False

    @abstractmethod
    def _frozen(self, batch: Indices) -> Tensor:
        """values_BTH that are kept."""

    @abstractmethod
    def _rest(self, values_BTH: Tensor, batch: Indices) -> Tensor:
        """pooled_BH from kept values."""

    @property
    def num_rows(self) -> int:
        """How many rows fit."""
        return len(self._cache.rows)

    def fill(self, on_rows: Callable[[int], None]) -> None:
        """Compute what fits; the frozen modules must be in eval mode. `on_rows` hears how many more are done."""
        with torch.no_grad():
            for batch in batches_by_length(self._corpus, self._cache.rows):
                self._cache.put(batch, self._frozen(batch))
                on_rows(len(batch))
        self.is_filled = True

    def __call__(self, batch: Indices) -> Tensor:
        kept = self._cache.holds(batch)
        self._hits += int(kept.sum())
        self._misses += int((~kept).sum())
        values_BTH = self._cache.get(batch)
        if not kept.all():
            with torch.no_grad():
                computed_BTH = self._frozen(batch[~kept])
            values_BTH[torch.from_numpy(~kept), : computed_BTH.shape[1]] = computed_BTH.float()
        return self._rest(values_BTH, batch)

    def release(self) -> None:
        """Give the memory back; from now on everything is computed."""
        self._cache.clear()

    def describe(self) -> dict[str, Any]:
        """What was kept, and how often it was used, for the report."""
        return {
            "kept": self._name,
            "mib": round(self._cache.num_bytes / MIB, 1),
            "rows": self.num_rows,
            "of_rows": len(self._corpus),
            "rows_reused": self._hits,
            "rows_recomputed": self._misses,
        }


class SentenceVectors(CachedVectors):
    """For a frozen encoder: the vectors themselves, in float32."""

    def __init__(
        self, model: MultiTaskModel, corpus: Corpus, compute: Compute, budget_bytes: int, kept: KeptVectors
    ) -> None:
        """Those that `kept` has of this encoder are taken over; those that are computed stay there after `release`."""
        self._kept, self._key = kept, vectors_key(model, corpus, compute, budget_bytes)
        cache = kept.find(self._key)
        self._is_taken_over = cache is not None
        if cache is None:
            kept.drop()
            ones = np.ones(len(corpus), dtype=np.int64)
            cache = RowCache(ones, model.hidden_size, torch.float32, budget_bytes, compute.device)
        super().__init__(cache, corpus, "sentence vectors")
        self._model, self._compute = model, compute
        self.is_filled = self._is_taken_over

    def fill(self, on_rows: Callable[[int], None]) -> None:
        super().fill(on_rows)
        self._kept.keep(self._key, self._cache)

    def release(self) -> None:
        """The memory is that of worker.training.kept_vectors."""

    def describe(self) -> dict[str, Any]:
        """And whether an earlier trial of the search had computed them."""
        return super().describe() | ({"from_earlier_trial": True} if self._is_taken_over else {})

    def _frozen(self, batch: Indices) -> Tensor:
        return encode_batch(self._model, self._corpus, self._compute, batch).unsqueeze(1)

    def _rest(self, values_BTH: Tensor, batch: Indices) -> Tensor:
        return values_BTH.squeeze(1)


class HiddenStates(CachedVectors):
    """For frozen lowest layers: what comes out of them, in the precision of the computation."""

    def __init__(self, model: MultiTaskModel, corpus: Corpus, compute: Compute, layers: int, budget_bytes: int) -> None:
        """
        Raises:
            BaseModelError: if the encoder cannot be cut above its lowest `layers` layers.
        """
        self._dtype = torch.bfloat16 if compute.precision == "bfloat16" else torch.float32
        self._halves = Halves(model.encoder, layers)
        self._model, self._compute = model, compute
        cache = RowCache(corpus.lengths, model.hidden_size, self._dtype, budget_bytes, compute.device)
        super().__init__(cache, corpus, f"hidden states of {depth_name(layers)}")
        self._check()

    def _frozen(self, batch: Indices) -> Tensor:
        with self._compute.autocast():
            hidden_BTH = self._halves.lower(*padded(self._model, self._corpus, self._compute, batch))
        # Rounded here too where it is not kept, so that it does not matter which rows are.
        return hidden_BTH.to(self._dtype)

    def _rest(self, values_BTH: Tensor, batch: Indices) -> Tensor:
        ids_BT, mask_BT = padded(self._model, self._corpus, self._compute, batch)
        with self._compute.autocast():
            return mean_pool(self._halves.upper(values_BTH, ids_BT, mask_BT), mask_BT)

    def _check(self) -> None:
        rows = np.unique(np.linspace(0, len(self._corpus) - 1, _CHECKED_ROWS).astype(np.int64))
        training = [module for module in self._model.modules() if module.training]
        self._model.eval()
        agree = self._halves.agrees_with(self._model.encoder, *padded(self._model, self._corpus, self._compute, rows))
        for module in training:
            module.training = True
        if not agree:
            raise BaseModelError(f"{type(self._model.encoder).__name__} computes more than its layers one by one")
