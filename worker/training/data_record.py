"""A job trains on the data that its first attempt saw. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import DataError

Hashes = Mapping[str, Mapping[str, str]]


def require_recorded(found: Hashes, recorded: Hashes) -> None:
    """Compare the sha256 of each task's files with what the first attempt recorded.

    Raises:
        DataError: naming every file that has changed.
    """
    changed = [
        f"{file} (task {task}): sha256 was {_short(recorded, task, file)} and is {_short(found, task, file)}"
        for task in sorted({*recorded, *found})
        for file in sorted({*recorded.get(task, {}), *found.get(task, {})})
        if recorded.get(task, {}).get(file) != found.get(task, {}).get(file)
    ]
    if changed:
        raise DataError(
            "training data changed between two attempts of this job: "
            + "; ".join(changed)
            + "; submit a new job (with a new request_id) to train on it as it is now"
        )


def _short(hashes: Hashes, task: str, file: str) -> str:
    return hashes.get(task, {}).get(file, "none")[:12]
