"""The sentences of the benchmarks, with their lengths in tokens."""

from __future__ import annotations

import csv
import os
import random
from pathlib import Path

from shared.base_model import DEFAULT_BASE_MODEL, resolve_base_model
from shared.text import TextEncoder

ROOT = Path(__file__).parents[2]
NUM_SENTENCES = 512


def tweets(num: int = NUM_SENTENCES) -> list[str]:
    """Different real tweets where DATA_MIRROR has them, else samples; the same ones in every run."""
    mirror = os.environ.get("DATA_MIRROR")
    if mirror:
        path, encoding = Path(mirror) / "tweet_sentiment" / "train.csv", "utf-8"
    else:
        path, encoding = ROOT / "data" / "samples" / "sentiment.csv", "latin-1"
    with path.open(encoding=encoding, newline="") as file:
        texts = sorted({row["text"] for row in csv.DictReader(file) if (row["text"] or "").strip()})
    return random.Random(13).sample(texts, min(num, len(texts)))


def text_encoder() -> TextEncoder:
    """The base model's."""
    tokenizer = (resolve_base_model(DEFAULT_BASE_MODEL) / "tokenizer.json").read_bytes()
    return TextEncoder(tokenizer, 256)


def num_tokens(texts: list[str]) -> list[int]:
    """Length of each text in tokens, with the special ones."""
    return [len(item.ids) for item in text_encoder().encode_blocking(texts)]


def of_length(texts: list[str], tokens: int, num: int) -> list[str]:
    """`num` different texts of exactly so many tokens, put together from the words of `texts`."""
    encoder, words = text_encoder(), [word for text in texts for word in text.split()]
    made: list[str] = []
    generator = random.Random(tokens)
    while len(made) < num:
        picked: list[str] = []
        length = 0
        while length < tokens:
            picked.append(generator.choice(words))
            length = len(encoder.encode_blocking([" ".join(picked)])[0].ids)
        if length == tokens:
            made.append(" ".join(picked))
    return made
