"""`make bench`: all measurements, as a table and in build/bench/."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.report import publish
from benchmarks.serving import measure


def main() -> int:
    print("measuring the server against sentence-transformers; about two minutes ...")
    publish(measure(), Path("build/bench/serving.json"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
