"""The peer: Hugging Face's Trainer at batch 32, otherwise with its defaults (float32, random batches padded to the
longest). `python -m benchmarks.training.hf_trainer ROOT BASE EPOCHS THREADS` prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score

from benchmarks.training.rows import read


def main(root: Path, base: str, epochs: int, threads: int) -> dict[str, float]:
    """Train, and score the validation rows; seconds are those of Trainer.train()."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer
    from transformers import TrainingArguments as Arguments

    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(base)

    def rows(part: str) -> list[dict[str, Any]]:
        texts, labels = read(root, part)
        encoded = tokenizer(texts, truncation=True, max_length=256)["input_ids"]
        return [{"input_ids": ids, "label": label} for ids, label in zip(encoded, labels, strict=True)]

    held_out = [*rows("validation"), *rows("selection")]
    train = rows("train")
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=AutoModelForSequenceClassification.from_pretrained(base, num_labels=2),
            args=Arguments(
                output_dir=folder, per_device_train_batch_size=32, num_train_epochs=epochs, save_strategy="no",
                report_to=[], disable_tqdm=True, use_cpu=True, seed=13,
            ),
            train_dataset=train,
            data_collator=DataCollatorWithPadding(tokenizer),
        )  # fmt: skip
        outcome = trainer.train()
        predicted = trainer.predict(held_out)
    labels = np.asarray([row["label"] for row in held_out])
    return {
        "examples_per_s": len(train) * epochs / outcome.metrics["train_runtime"],
        "macro_f1": float(f1_score(labels, predicted.predictions.argmax(axis=1), average="macro")),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
