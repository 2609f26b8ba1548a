"""`make bench`: the serving figures that need no load generator, in about three minutes."""

from __future__ import annotations

import sys

from benchmarks.serving.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["--only", "lone", "peer", *sys.argv[1:]]))
