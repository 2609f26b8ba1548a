"""Many releases in a row under a steady load: no request fails, every answer is its version's, the tail stays.

A window is from the release's appending, before any byte is loaded, to the old model freed, as the server's log tells.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.report import Figure
from benchmarks.serving import h2load, open_loop
from benchmarks.serving.processes import PREDICT, ServerProcess, published, serving
from benchmarks.serving.sentences import tweets
from polyhead.v1 import inference_pb2
from shared.base_model import DEFAULT_BASE_MODEL, resolve_base_model
from shared.store.folder import FolderStore
from tests.golden import alone, loaded
from tests.published import publish, release

NUM_SENTENCES = 32
#: Share of the peak that is offered.
LOAD = 0.6
TOLERANCE = 1e-5
PEAK_SECONDS = 6
MAX_WAIT_S = 60.0


class _Freed:
    """How many models the server has said to be freed. Reads each line of its log once: the cores are the server's."""

    def __init__(self, log: Path) -> None:
        self._path = log
        self._log = log.open()
        self._line = ""
        self._times = 0

    def wait_for(self, times: int) -> None:
        deadline_s = time.monotonic() + MAX_WAIT_S
        while self._count() < times:
            if time.monotonic() > deadline_s:
                told = self._path.read_text()[-2000:]
                raise RuntimeError(f"after {MAX_WAIT_S:g} s {self._times} of {times} models are freed:\n{told}")
            time.sleep(0.05)

    def _count(self) -> int:
        while piece := self._log.readline():
            self._line += piece
            if piece.endswith("\n"):
                self._times += '"model freed"' in self._line
                self._line = ""
        return self._times


def swaps(releases: int, pause_s: float) -> list[Figure]:
    """`releases` in a row, each `pause_s` after the one before, or when its old model is freed, if that is later."""
    print(f"swap-p99-ratio: {releases} releases ...", flush=True)
    sentences = tweets(NUM_SENTENCES)
    with published() as store, serving(store, SERVER_LOG_LEVEL="INFO") as server:
        publish(store, resolve_base_model(DEFAULT_BASE_MODEL), seed=2)
        golden = {version: _golden(store, version, sentences) for version in (1, 2)}
        freed = _Freed(server.log)
        freed.wait_for(1)
        load_per_s = LOAD * _peak(server, sentences)
        client = open_loop.start(server.target, load_per_s, 10 + releases * pause_s, sentences)
        time.sleep(5)
        windows, resident_mib = [], []
        for number in range(releases):
            began_s = time.monotonic()
            release(store, 1 + number % 2)
            freed.wait_for(number + 2)
            windows.append((began_s, time.monotonic()))
            resident_mib.append(server.resident_mib())
            time.sleep(max(0.0, began_s + pause_s - time.monotonic()))
        answers = open_loop.answers(client)
    if max(answer.sent_s for answer in answers) < windows[-1][1]:
        raise RuntimeError(f"the load ended before the last of {releases} releases: a longer --pause is needed")
    failed = [answer.status for answer in answers if answer.status]
    wrong = sum(not answer.status and not _is_golden(answer, golden) for answer in answers)
    inside, outside = _by_window([answer for answer in answers if not answer.status], windows)
    p99 = [float(np.percentile(seconds, 99)) * 1e3 for seconds in (inside, outside)]
    longest = max(end - start for start, end in windows)
    print(
        f"  {len(answers)} requests at {load_per_s:.0f}/s, {len(failed)} failed {failed[:3]}, {wrong} not as their "
        f"version answers; {len(inside)} inside windows (longest {longest:.1f} s), {len(outside)} outside; "
        f"memory {resident_mib[0]:.0f} -> {resident_mib[-1]:.0f} MiB",
        flush=True,
    )
    memory = resident_mib[-1] / resident_mib[0]
    return [
        Figure("swap-p99-ratio", p99[0], "ms, p99 inside", f"p99 outside, {p99[1]:.0f} ms", p99[0] / p99[1]),
        Figure("swap-failed-or-wrong", len(failed) + wrong, "requests", f"{len(answers)} requests", 0.0),
        Figure("swap-memory", resident_mib[-1], "MiB after the last", "after the first release", memory),
    ]


def _golden(store: FolderStore, version: int, sentences: Sequence[str]) -> list[np.ndarray]:
    model = loaded(store, version)
    return [np.concatenate(alone(model, sentence)[1]) for sentence in sentences]


def _is_golden(answer: open_loop.Answer, golden: dict[int, list[np.ndarray]]) -> bool:
    # Versions are numbered by what they are of: 1 and 2 are released in turn.
    expected = golden[answer.version][answer.index]
    return bool(np.abs(np.asarray(answer.scores) - expected).max() <= TOLERANCE)


def _peak(server: ServerProcess, sentences: Sequence[str]) -> float:
    loads = [h2load.Load(inference_pb2.PredictRequest(sentences=[text]), 2) for text in sentences]
    return sum(h2load.run(server.target, PREDICT, loads, PEAK_SECONDS).answered) / PEAK_SECONDS


def _by_window(
    answers: Sequence[open_loop.Answer], windows: Sequence[tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Seconds of the answers that overlap a window, and of the others."""
    starts = [start for start, _ in windows]
    inside: list[float] = []
    outside: list[float] = []
    for answer in answers:
        last = bisect_right(starts, answer.sent_s + answer.seconds) - 1
        is_inside = last >= 0 and windows[last][1] >= answer.sent_s
        (inside if is_inside else outside).append(answer.seconds)
    return inside, outside
