"""One stack for the tests of a module; its data are two single-label tasks and a multi-label one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_rows import make_multi_label_rows, make_rows, write_csv
from tests.workers.stack import Stack

LABELS = {"mood": ("down", "up"), "team": ("a", "b", "c"), "topics": ("a", "b", "c")}
#: Enough for a tiny model to learn words; float32, since bit-equality is asked for.
LEARNS = {"head_lr": 2e-2, "epochs": 6, "precision": "float32"}


def task(name: str, **fields: Any) -> dict[str, Any]:
    """A task of the spec on its file."""
    kind = "multi_label" if name == "topics" else "single_label"
    return {"name": name, "kind": kind, "labels": LABELS[name], "data": {"train": f"{name}.csv"}, **fields}


def spec(*tasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A job without baselines, which would cost more than the training."""
    return {"tasks": list(tasks), "optimizer": LEARNS, "baselines": False, **fields}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"), tiny_base)
    write_csv(stack.data / "mood.csv", make_rows(240, 2, seed=1, shares=(0.85, 0.15)), LABELS["mood"])
    write_csv(stack.data / "team.csv", make_rows(80, 3, seed=2), LABELS["team"])
    write_csv(stack.data / "topics.csv", make_multi_label_rows(200, seed=3), LABELS["topics"])
    with stack:
        yield stack
