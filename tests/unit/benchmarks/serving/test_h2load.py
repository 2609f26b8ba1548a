"""What a generator is told to offer, and what it says that it did."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.serving import h2load
from polyhead.v1 import inference_pb2

#: Printed by h2load 1.52 (--rps 1000, four seconds).
TOLD = """
finished in 4.01s, 938.50 req/s, 281.66KB/s
requests: 3754 total, 3992 started, 3754 done, 3754 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 3754 2xx, 0 3xx, 0 4xx, 0 5xx
"""


def generator(folder: Path, told: str) -> None:
    """An `h2load` that offers nothing and says `told`: what a real one measures depends on the machine."""
    path = folder / "h2load"
    path.write_text(f"#!{sys.executable}\nprint({told!r})\n")
    path.chmod(0o755)


def test_offered_calls_are_those_that_were_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paced in whole calls a second, and late under load: what was asked for is not what was offered."""
    generator(tmp_path, TOLD)
    monkeypatch.setenv("PATH", str(tmp_path))
    load = h2load.Load(inference_pb2.PredictRequest(sentences=["good"]), 1, 996.4, 1.0)
    outcome = h2load.run("127.0.0.1:1", "/p.S/M", [load, load], 4)
    assert (outcome.started, outcome.answered) == ([3992, 3992], [3754, 3754])


def test_generator_that_does_not_say_what_it_did_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure of nothing would be made up."""
    generator(tmp_path, "finished")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="h2load ended with 0:\nfinished"):
        h2load.run("127.0.0.1:1", "/p.S/M", [h2load.Load(inference_pb2.PredictRequest(), 1)], 4)
