"""A trainer that trains nothing: speaks the protocol and ends as the job's data path says.

`succeed` | `wait` (until the file that `open_gate` makes) | `wait-first` (as wait in the first attempt, then succeed) |
`die-first` | `die` (kill -9 itself) | `refuse` (not retryable) | `fail` (retryable) | `mute` | `chatter` |
`cancel-and-succeed` (somebody cancels the job at the last moment) |
`outdated` (succeed, judged before anything was released).
Every run adds a line "job claim pid" to runs.txt beside the store.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from shared.store.folder import open_store
from shared.store.jobs import JobStore
from worker.gate.verdict import REPORT_KEY, not_judged
from worker.training.protocol import Failure, Progress, Result, TrainerInput


def main() -> None:
    work = TrainerInput.from_json(sys.stdin.read())
    store = open_store(work.store_url)
    with (store.root.parent / "runs.txt").open("a") as runs:
        runs.write(f"{work.job_id} {work.claim} {os.getpid()}\n")
    plan = JobStore(store).get(work.job_id).accepted.spec.tasks[0].data.train
    say(Progress(stage="training", step=1, steps=2, epoch=1))
    if plan == "die" or (plan == "die-first" and work.claim == 1):
        print("about to die", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if plan == "mute":
        return
    if plan == "chatter":
        print("this is no message")
    if plan == "refuse":
        say(Failure(code="INVALID_DATA", message="hate.csv: row 7: column label: unknown label 'x'", retryable=False))
        return
    if plan == "fail":
        say(Failure(code="TRAINING", message=f"loss is not finite in attempt {work.claim}", retryable=True))
        return
    if plan == "wait" or (plan == "wait-first" and work.claim == 1):
        wait_for(store.root.parent / f"gate-{work.job_id}")
    if plan == "cancel-and-succeed":
        JobStore(store).cancel(work.job_id)
    report: dict[str, Any] = {"threads": work.threads}
    if plan == "outdated":
        report[REPORT_KEY] = not_judged("nothing is released yet", judged_against=0).model_dump(mode="json")
    say(
        Result(
            artifact_id=f"{work.job_id}-{work.claim}",
            manifest_sha256="0" * 64,
            metrics={"mood": {"macro_f1": 0.5}},
            report=report,
        )
    )


def say(event: Progress | Result | Failure) -> None:
    sys.stdout.write(event.to_json_line())
    sys.stdout.flush()


def wait_for(gate: Path) -> None:
    while not gate.exists():
        time.sleep(0.02)


if __name__ == "__main__":
    main()
