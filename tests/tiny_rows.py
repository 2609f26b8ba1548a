"""Made-up rows that a tiny model can learn: the words say the label. As Rows, as a corpus and as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.base_model import load_base_model
from shared.model import Task
from shared.text import TextEncoder
from worker.data.rows import Rows
from worker.training.corpus import Corpus, tokenize

#: Two heads for which `make_rows` makes rows with 2 and 3 labels.
TASKS = (Task("mood", ("down", "up")), Task("topic", ("a", "b", "c")))
#: Words by label id, all in the tiny model's vocabulary.
WORDS = (
    ("awful", "bad", "broken", "terrible", "worst", "horrible", "sad", "cruel"),
    ("good", "great", "happy", "joy", "love", "wonderful", "smile", "best"),
    ("monday", "meeting", "train", "river", "menu", "phone", "cloud", "road"),
)
_FILLERS = ("the", "day", "was", "it", "in", "city", "we", "had", "of", "this", "and", "weather", "house", "cat", "not")


def make_rows(num_rows: int, num_labels: int = 2, seed: int = 0, shares: Sequence[float] | None = None) -> Rows:
    """`shares`: how often each label occurs; equally where it is not given."""
    rng = np.random.default_rng(seed)
    label_ids = rng.choice(num_labels, size=num_rows, p=shares).astype(np.int64)
    return Rows([_sentence(int(label), rng) for label in label_ids], label_ids)


def make_multi_label_rows(num_rows: int, seed: int = 0) -> Rows:
    """Three labels, each in about a third of the rows and said by its words; some rows have none."""
    rng = np.random.default_rng(seed)
    has_NL = (rng.random((num_rows, len(WORDS))) < 0.35).astype(np.int64)
    texts = []
    for row in has_NL:
        said = [word for label in np.flatnonzero(row) for word in rng.choice(WORDS[label], size=2)]
        words = [*said, *rng.choice(_FILLERS, size=int(rng.integers(4, 20)))]
        texts.append(" ".join(str(word) for word in rng.permutation(words)))
    return Rows(texts, has_NL)


def make_corpus(base_folder: Path, rows_by_task: Sequence[Rows]) -> Corpus:
    """The rows as the tiny base model in `base_folder` tokenizes them."""
    base = load_base_model(str(base_folder))
    return tokenize(rows_by_task, TextEncoder(base.tokenizer_files["tokenizer.json"], base.max_tokens))


def corpus_of_lengths(rows_by_task: Sequence[int], seed: int = 1) -> Corpus:
    """So many rows of each task with lengths between 3 and 60 tokens, nine in ten of label 0, else of label 1."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 61, size=sum(rows_by_task))
    return Corpus.of(
        ids=[[1] * int(length) for length in lengths],
        task_ids=np.repeat(np.arange(len(rows_by_task)), rows_by_task),
        label_ids=rng.choice(2, p=(0.9, 0.1), size=len(lengths)).astype(np.int64),
    )


def write_csv(path: Path, rows: Rows, labels: Sequence[str]) -> Path:
    """A file with the columns text and label, several labels separated by `|`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        for text, label in zip(rows.texts, rows.label_ids, strict=True):
            said = labels[label] if label.ndim == 0 else "|".join(np.array(labels)[label == 1])
            writer.writerow((text, said))
    return path


def _sentence(label: int, rng: np.random.Generator) -> str:
    words = [*rng.choice(WORDS[label], size=2), *rng.choice(_FILLERS, size=int(rng.integers(4, 20)))]
    return " ".join(str(word) for word in rng.permutation(words))
