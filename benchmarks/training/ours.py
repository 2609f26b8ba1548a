"""A job of ours, run as a worker's trainer would, in a process of its own: its report and its peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Trained:
    """What the trainer says of a finished job, and how much memory its process held at its peak."""

    metrics: dict[str, Any]
    report: dict[str, Any]
    peak_mib: float
    artifact_id: str
    manifest_sha256: str

    @property
    def rows(self) -> int:
        """Training rows of all tasks."""
        return sum(int(task["rows"]["train"]) for task in self.report["data"].values())

    @property
    def examples_per_s(self) -> float:
        """Rows that went through the training stage in each second of it."""
        return float(self.rows * self.report["epochs"] / self.report["seconds"]["training"])


def train(recipe: Mapping[str, Any] | Path, root: Path, threads: int, store: Path | None = None) -> Trained:
    """`store` keeps the artifact; without one it is dropped.

    Raises:
        subprocess.CalledProcessError: if the job fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = recipe if isinstance(recipe, Path) else Path(folder) / "recipe.yaml"
        if not isinstance(recipe, Path):
            path.write_text(yaml.safe_dump(dict(recipe), sort_keys=False))
        output = Path(folder) / "result.json"
        command = [
            sys.executable, "-m", "worker.training.run", str(path), "--data-root", str(root),
            "--store", str(store or f"{folder}/store"), "--threads", str(threads), "--output", str(output),
        ]  # fmt: skip
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if code != 0:
            raise subprocess.CalledProcessError(code, command)
        outcome = json.loads(output.read_text())
    return Trained(
        outcome["metrics"],
        outcome["report"],
        usage.ru_maxrss / 1024,
        outcome["artifact_id"],
        outcome["manifest_sha256"],
    )
