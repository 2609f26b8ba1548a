"""Raw text to token ids: the one copy that training and serving use, so both see the same tokens.

Owns truncation and the flag that says it happened. Does not normalise text beyond what the tokenizer's own file says,
so that an embedding equals what sentence-transformers gives for the same folder. Thread-safe after construction; the
tokenizing itself is Rust code that releases the GIL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from shared.errors import CorruptArtifactError


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """Token ids with the special ones, and whether text was cut off to fit the window."""

    ids: list[int]
    truncated: bool


class TextEncoder:
    """A tokenizer with the model's window."""

    def __init__(self, tokenizer_json: bytes, max_tokens: int) -> None:
        """
        Raises:
            CorruptArtifactError: if `tokenizer_json` is not a tokenizer file.
        """
        try:
            tokenizer = Tokenizer.from_buffer(tokenizer_json)
        except Exception as error:  # noqa: BLE001 - the Rust binding raises bare Exception
            raise CorruptArtifactError(f"tokenizer.json cannot be read: {error}") from None
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        #: All ids are below this.
        self.num_ids = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def encode_blocking(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokenize each text by itself; order is kept."""
        return [
            TokenizedText(encoding.ids, bool(encoding.overflowing))
            for encoding in self._tokenizer.encode_batch_fast(list(texts))
        ]
