"""The raw limit: the same engine in a plain loop, all sentences sorted by length, batches of 32.

`python -m benchmarks.serving.raw STORE < sentences` answers every line on its stdin with tokens/s of one pass, of the
best thread setting. A process of its own, so that thread counts and allocator are not those of anybody else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

BATCH_ROWS = 32
ROOT = Path(__file__).parents[2]


class RawEngine:
    """The process, from outside. Use `with`."""

    def __init__(self, store: Path, texts: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serving.raw", str(store), json.dumps(list(texts))],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.setting = self._ask()["setting"]

    def tokens_per_s(self) -> float:
        """One pass over all sentences."""
        return float(self._ask()["tokens_per_s"])

    def _ask(self) -> dict[str, float | str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer: dict[str, float | str] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()


def _passes(store: str, texts: list[str]) -> None:
    import torch

    from server.engines.torch_engine import TorchEngine
    from shared.store.folder import FolderStore
    from tests.golden import loaded

    model = loaded(FolderStore(Path(store)), 1)
    engine = TorchEngine(model.model, torch.device("cpu"), "float32")
    rows = sorted((item.ids for item in model.text.encode_blocking(texts)), key=len)
    batches = [rows[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS)]
    cores = len(os.sched_getaffinity(0))

    def together() -> None:
        torch.set_num_threads(cores)
        for batch in batches:
            engine.run_blocking(batch)

    def one(batch: list[list[int]]) -> None:
        torch.set_num_threads(1)
        engine.run_blocking(batch)

    def side_by_side() -> None:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(one, reversed(batches)))

    settings = {f"{cores} threads a batch": together, f"{cores} batches at a time": side_by_side}

    def speed(name: str) -> float:
        began_s = time.perf_counter()
        settings[name]()
        return sum(map(len, rows)) / (time.perf_counter() - began_s)

    for name in settings:
        speed(name)
    best = max(settings, key=lambda name: max(speed(name) for _ in range(2)))
    for _ in sys.stdin:
        print(json.dumps({"setting": best, "tokens_per_s": speed(best)}), flush=True)


if __name__ == "__main__":
    _passes(sys.argv[1], json.loads(sys.argv[2]))
