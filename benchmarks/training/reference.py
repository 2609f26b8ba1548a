"""The reference project's set-up: batch 1, every text padded to 512 tokens, the BERT pooler, float32.

`python -m benchmarks.training.reference ROOT BASE THREADS` prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn

from benchmarks.training.rows import read

WARM_UP_STEPS, STEPS = 20, 300


def main(root: Path, base: str, threads: int) -> dict[str, float]:
    """Rows a second over STEPS steps of one row each."""
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(threads)
    texts, labels = read(root, "train")
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModel.from_pretrained(base)
    head = nn.Linear(model.config.hidden_size, 2)
    optimizer = torch.optim.AdamW(
        [{"params": model.parameters(), "lr": 1e-5}, {"params": head.parameters(), "lr": 1e-4}]
    )
    model.train()
    began = 0.0
    for step in range(WARM_UP_STEPS + STEPS):
        if step == WARM_UP_STEPS:
            began = time.perf_counter()
        row = tokenizer(texts[step], truncation=True, padding="max_length", max_length=512, return_tensors="pt")
        loss = nn.functional.cross_entropy(head(model(**row).pooler_output), torch.tensor([labels[step]]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return {"examples_per_s": STEPS / (time.perf_counter() - began)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
