"""`make bench-serving`: all groups, or some; a table, and build/bench/serving.json."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Figure, publish
from benchmarks.serving import h2load
from benchmarks.serving.closed_loop import against_raw, heads, mixed
from benchmarks.serving.lone import lone
from benchmarks.serving.overload import overload
from benchmarks.serving.peer import peer
from benchmarks.serving.swaps import swaps


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    names = ("raw", "lone", "mixed", "heads", "overload", "swaps", "peer")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="groups; default: all")
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs of each ratio (5)")
    parser.add_argument("--overload-seconds", type=int, default=60, help="seconds of five times the capacity (60)")
    parser.add_argument("--releases", type=int, default=100, help="releases in a row under load (100)")
    parser.add_argument("--pause", type=float, default=6.0, help="seconds between two releases (6)")
    options = parser.parse_args(arguments)
    try:
        if not {"lone", "peer"}.issuperset(options.only):
            h2load.path_of_h2load()
    except h2load.H2loadMissingError as error:
        print(error, file=sys.stderr)
        return 2
    groups: dict[str, Callable[[], list[Figure]]] = {
        "raw": lambda: against_raw(options.pairs),
        "lone": lone,
        "mixed": lambda: mixed(options.pairs),
        "heads": lambda: heads(options.pairs),
        "overload": lambda: overload(options.overload_seconds),
        "swaps": lambda: swaps(options.releases, options.pause),
        "peer": lambda: peer(options.pairs),
    }
    figures = [figure for name in names if name in options.only for figure in groups[name]()]
    publish(figures, Path("build/bench/serving.json"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
