"""Which version each role should have: pure decisions, so every case is a line."""

from __future__ import annotations

import pytest

from server.models.policy import Candidate, Plan, make_plan
from shared.store.releases import Canary, ReleaseRecord


def plan_of(releases: list[ReleaseRecord], unloadable: set[int]) -> Plan:
    return make_plan(releases, lambda candidate: candidate.version in unloadable)


def release(stable: int, deleted: int | None = None, canary: int = 0, **aliases: int) -> ReleaseRecord:
    share = Canary(version=canary, share=0.5) if canary else None
    return ReleaseRecord(stable=stable, aliases=aliases, canary=share, deleted=deleted, why="test", by="test")


@pytest.mark.parametrize(
    ("stables", "loaded", "unloadable", "expected"),
    [
        ([], set(), set(), None),
        ([1], set(), set(), Candidate(1, 1)),
        ([1], {1}, set(), None),
        ([1, 2], {1}, set(), Candidate(2, 2)),
        ([1, 2, 1], {2}, set(), Candidate(3, 1)),  # a rollback
        ([1, 2], {1}, {2}, None),  # the newest is bad: the old one stays
        ([1, 2], set(), {2}, Candidate(1, 1)),  # ... also at a start
        ([1, 2, 3], set(), {3, 2}, Candidate(1, 1)),
        ([1], set(), {1}, None),
        ([1, 2, 2], {2}, set(), None),  # a repeated table changes nothing
    ],
)
def test_next_to_load(stables: list[int], loaded: set[int], unloadable: set[int], expected: Candidate | None) -> None:
    """The newest release that can be loaded is served, and nothing is loaded twice."""
    assert plan_of([release(n) for n in stables], unloadable).next_to_load(loaded) == expected


def test_plan_loads_stable_first_then_aliases_and_canary() -> None:
    """What most requests wait for comes first."""
    plan = plan_of([release(3, canary=4, latest=3, eu=1)], set())
    assert [candidate.version for candidate in plan.wanted()] == [3, 3, 1, 4]
    assert plan.canary_share == 0.5


def test_alias_with_a_bad_version_keeps_the_one_it_had() -> None:
    """As stable does; but not one from before the alias was removed."""
    releases = [release(1, eu=9), release(1), release(1, eu=1), release(1, eu=2)]
    assert plan_of(releases, {2}).aliases == {"eu": Candidate(3, 1)}
    plan = plan_of(releases, {1, 2})
    assert plan.aliases == {}
    assert plan.skipped == {1, 2}


def test_canary_with_a_bad_version_is_none() -> None:
    """An older canary was another experiment."""
    plan = plan_of([release(1, canary=2), release(1, canary=3)], {3})
    assert (plan.canary, plan.canary_share, plan.skipped) == (None, 0.0, {3})


@pytest.mark.parametrize(("serving", "expected"), [(2, Candidate(3, 2)), (1, Candidate(3, 2)), (None, Candidate(3, 2))])
def test_stable_that_serves_is_not_given_up_for_an_older_one(serving: int | None, expected: Candidate) -> None:
    """What serves stays while the newest is refused; one that serves something older still moves on."""
    releases = [release(1), release(2), release(2), release(4)]
    plan = make_plan(releases, lambda item: item.version == 4, {"stable": serving} if serving else {})
    assert plan.stable == expected


def test_role_whose_served_version_was_deleted_keeps_it() -> None:
    """It is in memory: the base encoder without heads would answer nothing that is asked."""
    releases = [release(1, eu=1), release(2, eu=2), release(4, eu=4), release(4, eu=4, deleted=2)]
    plan = make_plan(releases, lambda item: item.version == 4, {"stable": 2, "eu": 2})
    assert (plan.stable, plan.aliases) == (Candidate(2, 2), {"eu": Candidate(2, 2)})
    assert make_plan(releases, lambda _: False, {"stable": 2, "eu": 2}).stable == Candidate(4, 4)


def test_deleted_version_is_no_fallback() -> None:
    """Its files are gone; the one before it may be whole."""
    assert plan_of([release(1), release(2), release(3), release(3, deleted=2)], {3}).stable == Candidate(1, 1)
