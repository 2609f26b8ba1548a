"""`make bench-training`: all groups, or some; a table, and build/bench/training.json."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Figure, publish
from benchmarks.training import rows
from benchmarks.training.frozen import frozen
from benchmarks.training.memory import cache, memory
from benchmarks.training.ours import ROOT
from benchmarks.training.peers import hf_trainer, limits, reference


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    names = ("limits", "hf", "reference", "frozen", "cache", "memory")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="groups; default: all")
    parser.add_argument("--pairs", type=int, default=1, help="interleaved pairs of each ratio (1; each takes minutes)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: one per core")
    options = parser.parse_args(arguments)
    mirror = Path(os.environ.get("DATA_MIRROR", "."))
    if not (mirror / "tweeteval").is_dir():
        print("DATA_MIRROR must name a folder with tweeteval and kaggle_layout", file=sys.stderr)
        return 2
    root = ROOT / "build" / "bench" / "data"
    rows.prepare(mirror, root)
    groups: dict[str, Callable[[], list[Figure]]] = {
        "limits": lambda: limits(options.threads),
        "hf": lambda: hf_trainer(root, options.threads, options.pairs),
        "reference": lambda: reference(root, options.threads, options.pairs),
        "frozen": lambda: frozen(root, options.threads, options.pairs),
        "cache": lambda: cache(root, options.threads),
        "memory": lambda: memory(mirror, options.threads),
    }
    figures = []
    for name in names:
        if name in options.only:
            print(f"{name} ...", flush=True)
            figures += groups[name]()
    publish(figures, Path("build/bench/training.json"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
