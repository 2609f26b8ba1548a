"""Full fine-tuning against the Hugging Face Trainer and against the reference project's set-up."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Figure
from benchmarks.training.ours import ROOT, Trained, train
from benchmarks.training.rows import HATE, recipe
from shared.base_model import DEFAULT_BASE_MODEL, resolve_base_model

EPOCHS = 2


def hf_trainer(root: Path, threads: int, pairs: int) -> list[Figure]:
    """Examples/s over the training itself; validation macro-F1 of both over all validation rows."""
    speeds, quality = [], []
    for _ in range(pairs):
        ours = train(recipe(EPOCHS), root, threads)
        theirs = _peer("hf_trainer", root, EPOCHS, threads)
        speeds.append((ours.examples_per_s, theirs["examples_per_s"]))
        quality.append((100 * validation_macro_f1(ours), 100 * theirs["macro_f1"]))
    f1 = [statistics.fmean(figures) for figures in zip(*quality, strict=True)]
    their_speed = statistics.median(theirs for _, theirs in speeds)
    return [
        Figure(
            "full-vs-hf-trainer",
            statistics.median(mine for mine, _ in speeds),
            "examples/s",
            f"Hugging Face Trainer, batch 32, {their_speed:.1f} examples/s",
            statistics.median(mine / theirs for mine, theirs in speeds),
        ),
        Figure("full-vs-hf-trainer-quality", f1[0], "validation macro-F1, %", f"its {f1[1]:.1f} %", f1[0] / f1[1]),
    ]


def reference(root: Path, threads: int, pairs: int) -> list[Figure]:
    """Examples/s against batch 1, padded to 512."""
    speeds = []
    for _ in range(pairs):
        mine = train(recipe(EPOCHS), root, threads).examples_per_s
        speeds.append((mine, _peer("reference", root, threads)["examples_per_s"]))
    theirs = statistics.median(their for _, their in speeds)
    return [
        Figure(
            "full-vs-reference",
            statistics.median(mine for mine, _ in speeds),
            "examples/s",
            f"batch 1 padded to 512, {theirs:.2f} examples/s",
            statistics.median(mine / their for mine, their in speeds),
        )
    ]


def limits(threads: int) -> list[Figure]:
    """What bounds a step here, in a process of its own."""
    return [Figure(**figure) for figure in _run("limits", str(threads))]


def validation_macro_f1(trained: Trained) -> float:
    """Macro-F1 over both halves of the validation rows, from their confusion matrices."""
    halves = (trained.report["validation"][HATE.name], trained.metrics[HATE.name]["model"])
    confusion = np.sum([np.asarray(half["confusion"]) for half in halves], axis=0)
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float((2 * np.diag(confusion) / both).mean())


def _peer(module: str, root: Path, *arguments: int) -> dict[str, Any]:
    base = str(resolve_base_model(DEFAULT_BASE_MODEL))
    answer: dict[str, Any] = _run(module, str(root), base, *map(str, arguments))
    return answer


def _run(module: str, *arguments: str) -> Any:
    """What a module of this package prints, in its last line, as JSON."""
    command = [sys.executable, "-m", f"benchmarks.training.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])
