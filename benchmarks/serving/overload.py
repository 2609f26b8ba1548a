"""Five times the capacity offered: what is still answered in time, and whether the server can still be talked to."""

from __future__ import annotations

import statistics
import time

from benchmarks.report import Figure
from benchmarks.serving import h2load, open_loop
from benchmarks.serving.health_caller import HealthCaller
from benchmarks.serving.processes import PREDICT, ServerProcess, published, serving
from benchmarks.serving.sentences import tweets
from polyhead.v1 import inference_pb2

TIMES = 5
DEADLINE_S = 1.0
NUM_BODIES = 8
#: Eight clients with requests of 32 go round in about 0.7 s, in step: six seconds would count one round more or less.
PEAK_SECONDS = 20
#: A client that reads what it is answered: so many calls a second.
CHECKED_PER_S = 2.0


def overload(seconds: int) -> list[Figure]:
    """Goodput for single sentences and for requests of 32, as a share of the peak in a closed loop."""
    figures = []
    with published() as store, serving(store) as server:
        for name, per_request, clients in (("overload-goodput", 1, 64), ("overload-goodput-32", 32, 8)):
            print(f"{name} ...", flush=True)
            figures += _one(name, server, per_request, clients, seconds)
    return figures


def _one(name: str, server: ServerProcess, per_request: int, clients: int, seconds: int) -> list[Figure]:
    texts = tweets(NUM_BODIES * per_request)
    requests = [
        inference_pb2.PredictRequest(sentences=texts[start::NUM_BODIES], tasks=[]) for start in range(NUM_BODIES)
    ]
    closed = [h2load.Load(request, clients // NUM_BODIES) for request in requests]
    h2load.run(server.target, PREDICT, closed, PEAK_SECONDS)
    before = _peak(server, closed)
    resident_mib = server.resident_mib()
    opened = [h2load.Load(request, 1, TIMES * before / NUM_BODIES, DEADLINE_S) for request in requests]
    checker = open_loop.start(server.target, CHECKED_PER_S, seconds, texts[:NUM_BODIES], DEADLINE_S)
    with HealthCaller(server.target) as health:
        answered, began_s = server.num_predictions(), time.monotonic()
        outcome = h2load.run(server.target, PREDICT, opened, seconds, warm_up_s=0)
        num_ok, took_s = server.num_predictions() - answered, time.monotonic() - began_s
    health.check(took_s)
    offered_per_s = sum(outcome.started) / outcome.seconds
    checked = open_loop.answers(checker)
    good = sum(not answer.status for answer in checked)
    goodput = (num_ok - good) / took_s  # the server counts the checking client's calls too
    peak = statistics.mean((before, _peak(server, closed)))
    late = server.counter("polyhead_executed_after_deadline_total")
    print(
        f"  offered {offered_per_s:.0f}/s = {offered_per_s / peak:.1f} times the peak of {peak:.0f}/s; "
        f"{sum(outcome.answered) / seconds:.0f}/s answered or refused, {goodput:.0f}/s with OK; "
        f"a checking client: {good} of {len(checked)} OK; health: {health.num_calls} calls, longest "
        f"{health.longest_ms:.0f} ms; executed after their deadline: {late:.0f}; memory {resident_mib:.0f} -> "
        f"{server.resident_mib():.0f} MiB; generators used {outcome.cpu_s / outcome.seconds:.2f} cores",
        flush=True,
    )
    return [
        Figure(
            name,
            goodput,
            f"calls/s at {offered_per_s / peak:.1f} times the peak",
            f"peak, {peak:.0f} calls/s",
            goodput / peak,
        ),
        Figure(f"{name}-health-ms", health.longest_ms, "ms, longest health answer", "100 ms", health.longest_ms / 100),
    ]


def _peak(server: ServerProcess, loads: list[h2load.Load]) -> float:
    """Calls/s in a closed loop."""
    return sum(h2load.run(server.target, PREDICT, loads, PEAK_SECONDS).answered) / PEAK_SECONDS
