"""`make quality`: data, train, test, table; each also by itself."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.quality import rows, runs, table, testing
from benchmarks.report import publish, write_table
from shared.base_model import DEFAULT_BASE_MODEL

PAGE = runs.ROOT / "docs" / "results" / "quality.md"


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    mirror = Path(os.environ.get("DATA_MIRROR", ""))
    if not os.environ.get("DATA_MIRROR") or not (mirror / "tweeteval").is_dir():
        print(f"DATA_MIRROR={str(mirror)!r} has no folder tweeteval; name a folder with the data sets", file=sys.stderr)
        return 2
    steps = {"data": _data, "train": _train, "test": _test, "table": _table}
    for step in steps if options.step == "all" else (options.step,):
        steps[step](options, mirror)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("step", choices=("all", "data", "train", "test", "table"), nargs="?", default="all")
    parser.add_argument("--store", type=Path, default=Path("build/quality"), help="where rows, runs and models stand")
    parser.add_argument("--root", type=Path, help="data: write the rows below this data root (default: STORE/data)")
    parser.add_argument("--only", choices=("multi", "single", "both"), default="both", help="which trainings")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(runs.SEEDS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: one per core")
    parser.add_argument("--write", action="store_true", help="table: put it into docs/results/quality.md")
    parser.add_argument("--base-model", default=DEFAULT_BASE_MODEL, help="folder or hub id")
    return parser


def _data(options: argparse.Namespace, mirror: Path) -> None:
    root = options.root or options.store / "data"
    for line in rows.write_rows(mirror, root):
        print(line, flush=True)


def _train(options: argparse.Namespace, mirror: Path) -> None:
    if not (options.store / "data" / rows.FOLDER).is_dir():
        _data(options, mirror)
    for run in runs.runs(options.only, options.seeds):
        runs.train(run, options.store.resolve(), options.threads, options.base_model)


def _test(options: argparse.Namespace, mirror: Path) -> None:
    for run in runs.runs(options.only, options.seeds):
        if not runs.result_path(options.store, run).exists():
            print(f"{run.label}: not trained yet")
        elif testing.is_looked_at(run):
            print(f"{run.label}: looked at before")
        else:
            print(f"{run.label}: {testing.look(run, options.store, mirror)['test']}")


def _table(options: argparse.Namespace, mirror: Path) -> None:
    tfidf = table.baselines(mirror)
    print(table.markdown(tfidf))
    if options.write:
        write_table(PAGE, table.markdown(tfidf))
    publish(table.figures(tfidf), Path("build/bench/quality.json"))


if __name__ == "__main__":
    sys.exit(main())
