"""Texts that a model was trained on, as 64-bit hashes: what a later job must not hold out as if it were new.

Texts count as equal up to what `similarity.normalise` takes away. Two different ones share a hash with a probability of
2^-64 times the pairs compared: negligible below a billion rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from worker.data.similarity import normalise

Hashes = npt.NDArray[np.int64]


def text_hashes(texts: Sequence[str]) -> Hashes:
    """One hash a text, in their order."""
    digests = b"".join(blake2b(normalise(text).encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)


def add_texts(known: Mapping[str, Hashes], texts_by_task: Mapping[str, Sequence[str]]) -> dict[str, Hashes]:
    """`known` by task, with these texts too; sorted, each once."""
    merged = dict(known)
    for task, texts in texts_by_task.items():
        merged[task] = np.union1d(known.get(task, np.zeros(0, dtype=np.int64)), text_hashes(texts))
    return merged


def is_known(texts: Sequence[str], known: Iterable[Hashes]) -> npt.NDArray[np.bool_]:
    """Whether each text is among the known ones of any task: all tasks trained one encoder."""
    hashes = [own for own in known if len(own)]
    if not hashes or not texts:
        return np.zeros(len(texts), dtype=np.bool_)
    return np.isin(text_hashes(texts), np.concatenate(hashes))
