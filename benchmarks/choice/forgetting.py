"""Forgetting as a number: how well cosine similarities of the embeddings rank the STS benchmark's dev pairs."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from shared.model import MultiTaskModel
from shared.text import TextEncoder
from worker.data.rows import Rows
from worker.training.corpus import tokenize
from worker.training.precision import Compute
from worker.training.vectors import encode_corpus


def sts_spearman(model: MultiTaskModel, text: TextEncoder, mirror: Path) -> float:
    """Spearman's rank correlation with people's scores on the 1,500 pairs of stsb/sts-dev.csv, -1 to 1."""
    with (mirror / "stsb" / "sts-dev.csv").open(encoding="utf-8", newline="") as file:
        pairs = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    scores = np.asarray([float(pair[4]) for pair in pairs])
    texts = [pair[5] for pair in pairs] + [pair[6] for pair in pairs]
    corpus = tokenize([Rows(texts, np.zeros(len(texts), dtype=np.int64))], text)
    pooled_NH = encode_corpus(model, corpus, Compute(torch.device("cpu"), "float32"))
    unit_NH = torch.nn.functional.normalize(pooled_NH, dim=-1)
    first_NH, second_NH = unit_NH[: len(pairs)], unit_NH[len(pairs) :]
    return float(spearmanr((first_NH * second_NH).sum(-1).numpy(), scores).statistic)
