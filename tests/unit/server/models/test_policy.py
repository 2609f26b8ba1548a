"""Which model to load next: pure decisions, so every case is a line."""

from __future__ import annotations

import pytest

from server.models.policy import Candidate, candidates, next_to_load
from shared.store.releases import ReleaseRecord


def release(stable: int) -> ReleaseRecord:
    return ReleaseRecord(stable=stable, why="test", by="test")


@pytest.mark.parametrize(
    ("stables", "serving", "refused", "expected"),
    [
        ([], None, set(), None),
        ([1], None, set(), Candidate(1, 1)),
        ([1], 1, set(), None),
        ([1, 2], 1, set(), Candidate(2, 2)),
        ([1, 2, 1], 2, set(), Candidate(3, 1)),  # a rollback
        ([1, 2], 1, {2}, None),  # the newest is bad: the old one stays
        ([1, 2], None, {2}, Candidate(1, 1)),  # ... also at a start
        ([1, 2, 3], None, {3, 2}, Candidate(1, 1)),
        ([1], None, {1}, None),
        ([1, 2, 2], 2, set(), None),  # a repeated table changes nothing
    ],
)
def test_next_to_load(stables: list[int], serving: int | None, refused: set[int], expected: Candidate | None) -> None:
    """The newest release that can be loaded is served, and nothing is loaded twice."""
    assert next_to_load(candidates([release(n) for n in stables]), serving, refused) == expected
