"""Sentence vectors of a frozen encoder that outlive one training: the trials of a search share them, as they do tokens.

Owns what they depend on and the one block of them that is kept. Filling it is worker.training.cached_vectors. Used in
the trainer's main thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.model import MultiTaskModel
from worker.training.corpus import Corpus
from worker.training.fingerprint import hash_weights
from worker.training.precision import Compute
from worker.training.row_cache import RowCache


@dataclass(frozen=True, slots=True)
class VectorsKey:
    """Equal keys, equal vectors to the bit, of the same rows. The encoder must be frozen whole.

    `corpus` is compared by identity: other rows, or rows cut at another window, are another one.
    """

    corpus: Corpus = field(compare=False)
    encoder_sha256: str
    compute: Compute
    budget_bytes: int


def vectors_key(model: MultiTaskModel, corpus: Corpus, compute: Compute, budget_bytes: int) -> VectorsKey:
    """What the sentence vectors of `corpus` depend on; hashes the encoder's weights."""
    return VectorsKey(corpus, hash_weights(model.encoder), compute, budget_bytes)


class KeptVectors:
    """Holds one filled block at most. Whoever wants the budget for something else calls `drop` first."""

    def __init__(self) -> None:
        self._kept: tuple[VectorsKey, RowCache] | None = None

    def find(self, key: VectorsKey) -> RowCache | None:
        """The block that was kept under an equal key."""
        if self._kept is None or self._kept[0] != key or self._kept[0].corpus is not key.corpus:
            return None
        return self._kept[1]

    def keep(self, key: VectorsKey, filled: RowCache) -> None:
        self._kept = key, filled

    def drop(self) -> None:
        """Give the memory back."""
        self._kept = None
