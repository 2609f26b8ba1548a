"""The choices that are compared: two tasks on real rows, and what each variant changes in the recipe."""

from __future__ import annotations

from typing import Any

#: Rows of each task before splitting, and epochs where a variant says nothing else.
ROWS, EPOCHS = 5000, 2

TASKS: list[dict[str, Any]] = [
    {
        "name": "sentiment",
        "labels": ["negative", "neutral", "positive"],
        "data": {"train": "kaggle_layout/train.csv", "preset": "tweet-sentiment", "max_rows": ROWS},
    },
    {
        "name": "hate_speech",
        "labels": ["not_hate", "hate"],
        "data": {"train": "kaggle_layout/HateSpeechDataset.csv", "preset": "hate-speech-curated", "max_rows": ROWS},
    },
]

_TOP = {"anchor": "top", "base_lr": 8.0e-5, "decay": 0.9}
_FLAT = {"anchor": "top", "base_lr": 8.0e-5, "decay": 1.0}
_REFERENCE = {"anchor": "bottom", "base_lr": 1.0e-5, "decay": 0.95}

#: Name -> parts of the recipe. Everything else is the same for all.
VARIANTS: dict[str, dict[str, Any]] = {
    "backbone frozen, heads 8e-4": {"freeze": {"policy": "backbone"}},
    "backbone frozen, heads 1e-2, 20 epochs": {
        "freeze": {"policy": "backbone"}, "optimizer": {"head_lr": 1.0e-2, "epochs": 20},
    },
    "lowest 3 layers frozen": {"freeze": {"policy": "layers", "layers": 3}, "layerwise_lr": _TOP},
    "gradual, a layer each 40 steps": {
        "freeze": {"policy": "gradual", "gradual": {"by": "step", "every": 40}}, "layerwise_lr": _TOP,
    },
    "all layers, reference's rates (bottom 1e-5, 0.95)": {
        "layerwise_lr": _REFERENCE, "optimizer": {"head_lr": 1.0e-4},
    },
    "all layers, one rate 8e-5": {"layerwise_lr": _FLAT},
    "all layers, top 8e-5, decay 0.9": {"layerwise_lr": _TOP},
    "all layers, top 8e-5, decay 0.7": {"layerwise_lr": _TOP | {"decay": 0.7}},
    "LoRA rank 8 on attention, 5e-4": {"lora": {"rank": 8, "alpha": 16}, "layerwise_lr": _TOP | {"base_lr": 5.0e-4}},
}  # fmt: skip


def recipe(name: str) -> dict[str, Any]:
    """The whole recipe of a variant."""
    changes = VARIANTS[name]
    optimizer = {"head_lr": 8.0e-4, "epochs": EPOCHS, "seed": 13} | changes.get("optimizer", {})
    return {"tasks": TASKS, "baselines": False} | changes | {"optimizer": optimizer}
