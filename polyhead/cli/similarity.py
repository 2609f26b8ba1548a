"""Cosine similarity of a few vectors, in plain Python so that the client needs no numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul


def cosine_matrix(vectors: Sequence[Sequence[float]]) -> list[list[float]]:
    """cos(a, b) of every pair; a vector of zeros is similar to nothing (0)."""
    lengths = [math.sqrt(_dot(vector, vector)) for vector in vectors]
    return [
        [_dot(a, b) / (la * lb) if la and lb else 0.0 for b, lb in zip(vectors, lengths, strict=True)]
        for a, la in zip(vectors, lengths, strict=True)
    ]


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum(map(mul, a, b))
