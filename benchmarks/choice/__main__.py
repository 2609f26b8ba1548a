"""`python -m benchmarks.choice`: train every variant, print the table and write it down."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.choice.forgetting import sts_spearman
from benchmarks.choice.variants import EPOCHS, ROWS, TASKS, VARIANTS, recipe
from benchmarks.report import machine, write_table
from benchmarks.training.ours import ROOT, Trained, train
from shared.base_model import DEFAULT_BASE_MODEL, load_base_model
from shared.model_files import build_model, load_model
from shared.store.artifacts import ArtifactReader
from shared.store.folder import open_store
from shared.text import TextEncoder

PAGE = ROOT / "docs" / "results" / "choice.md"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    variant: str
    macro_f1: dict[str, float]
    spearman: float
    training_s: float
    peak_mib: float
    trainable: float


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choice", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: one per core")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    mirror = Path(os.environ.get("DATA_MIRROR", "."))
    if not (mirror / "kaggle_layout").is_dir():
        print("DATA_MIRROR must name a folder with kaggle_layout and stsb", file=sys.stderr)
        return 2
    store = ROOT / "build" / "choice"
    before = _before(mirror)
    print(f"STS-B dev Spearman of the base model: {before:.4f}", flush=True)
    lines = []
    for name in options.only:
        print(f"training: {name}", flush=True)
        lines.append(_line(name, train(recipe(name), mirror, options.threads, store), store, mirror))
        print(_row(lines[-1], before), flush=True)
    table = _table(lines, before, options.threads)
    print(table)
    if options.write:
        write_table(PAGE, table)
    return 0


def _before(mirror: Path) -> float:
    base = load_base_model(DEFAULT_BASE_MODEL)
    return sts_spearman(
        build_model(base, []), TextEncoder(base.tokenizer_files["tokenizer.json"], base.max_tokens), mirror
    )


def _line(name: str, trained: Trained, store: Path, mirror: Path) -> Line:
    loaded = load_model(ArtifactReader(open_store(str(store)), trained.artifact_id, trained.manifest_sha256))
    report = trained.report
    return Line(
        variant=name,
        macro_f1={task: figures["model"]["macro_f1"] for task, figures in trained.metrics.items()},
        spearman=sts_spearman(loaded.model, loaded.text, mirror),
        training_s=report["seconds"]["training"] + report["seconds"].get("encoding", 0.0),
        peak_mib=trained.peak_mib,
        trainable=report["trainable_parameters"] / report["total_parameters"],
    )


def _row(line: Line, before: float) -> str:
    figures = " | ".join(f"{100 * line.macro_f1[task['name']]:.1f}" for task in TASKS)
    return (
        f"| {line.variant} | {figures} | {line.spearman:.3f} ({line.spearman - before:+.3f}) | "
        f"{line.training_s:.0f} | {line.peak_mib:,.0f} | {line.trainable:.1%} |"
    )


def _table(lines: list[Line], before: float, threads: int) -> str:
    names = " | ".join(f"{task['name']} macro-F1" for task in TASKS)
    head = f"| variant | {names} | STS-B Spearman (change) | training, s | peak, MiB | trained |"
    told = (
        f"{ROWS:,} rows a task before splitting, {EPOCHS} epochs unless said, seed 13, test rows of the split; "
        f"the base model's Spearman is {before:.3f}. {machine()}, {threads} threads."
    )
    columns = 5 + len(TASKS)
    return "\n".join([head, "|---|" + "---:|" * (columns - 1), *(_row(line, before) for line in lines), "", told])


if __name__ == "__main__":
    sys.exit(main())
