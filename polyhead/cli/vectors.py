"""Writes vectors to a file: JSON lines, or NumPy's .npy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from polyhead.cli.exits import UsageError


def write_vectors(path: Path, sentences: Sequence[str], vectors: Sequence[Sequence[float]]) -> None:
    """Write one line or row for each sentence, by the ending of `path`.

    Raises:
        UsageError: if the file cannot be written, or numpy is missing for .npy.
    """
    try:
        if path.suffix == ".npy":
            _write_npy(path, vectors)
        else:
            with path.open("w", encoding="utf-8") as file:
                for sentence, vector in zip(sentences, vectors, strict=True):
                    line = json.dumps({"sentence": sentence, "values": list(vector)}, ensure_ascii=False)
                    file.write(line + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _write_npy(path: Path, vectors: Sequence[Sequence[float]]) -> None:
    try:
        import numpy
    except ModuleNotFoundError:
        raise UsageError(".npy needs numpy: pip install 'polyhead[plot]', or choose .jsonl") from None
    numpy.save(path, numpy.asarray(vectors, dtype=numpy.float32), allow_pickle=False)
