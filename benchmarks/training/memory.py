"""Peak memory of the trainer on the full real job, and whether the cache of frozen layers keeps its budget."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.report import Figure
from benchmarks.training.ours import ROOT, train
from benchmarks.training.rows import recipe

LIMIT_MIB = 2560
BUDGET_MIB = 64


def memory(mirror: Path, threads: int) -> list[Figure]:
    """One epoch of recipes/kaggle-full.yaml, whose memory does not depend on how many there are."""
    body = yaml.safe_load((ROOT / "recipes" / "kaggle-full.yaml").read_text())
    body["optimizer"]["epochs"] = 1
    peak = train(body, mirror, threads).peak_mib
    return [Figure("full-job-memory", peak, "MiB, peak of the trainer", f"limit {LIMIT_MIB} MiB", peak / LIMIT_MIB)]


def cache(root: Path, threads: int) -> list[Figure]:
    """What the cache of three frozen layers holds with a budget too small for all rows."""
    body = recipe(2, freeze={"policy": "layers", "layers": 3}, cache={"mib": BUDGET_MIB})
    told = train(body, root, threads).report["cache"]
    kept = max(float(stage.get("mib", 0.0)) for stage in told)
    return [Figure("cache-budget", kept, "MiB kept", f"budget {BUDGET_MIB} MiB", kept / BUDGET_MIB)]
