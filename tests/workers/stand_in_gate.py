"""A rematch that computes nothing: `passed` against the stable version, as soon as the test lets it.

The first one for a job waits until the file of `Stand.open_gate` is there; later ones do not. Every run adds a line
"job pid" to rematches.txt beside the store.
"""

from __future__ import annotations

import os
import sys

from shared.store.folder import open_store
from shared.store.releases import releases_log
from tests.workers.stand_in_trainer import wait_for
from worker.gate.rematch import RematchInput
from worker.gate.verdict import compare, conclude


def main() -> None:
    work = RematchInput.model_validate_json(sys.stdin.read())
    store = open_store(work.store_url)
    runs = store.root.parent / "rematches.txt"
    is_first = not runs.exists() or work.job_id not in runs.read_text()
    with runs.open("a") as file:
        file.write(f"{work.job_id} {os.getpid()}\n")
    if is_first:
        wait_for(store.root.parent / f"gate-{work.job_id}")
    entries = releases_log(store).entries()
    tasks = {"mood": compare("macro_f1", 0.5, 0.6, 0.01, 100)}
    verdict = conclude(tasks, (), may_drop=True, champion=entries[-1].stable, judged_against=len(entries))
    print(verdict.model_dump_json())


if __name__ == "__main__":
    main()
