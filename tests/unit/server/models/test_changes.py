"""Promote, Rollback and SetAlias as decisions on the log of releases."""

from __future__ import annotations

from typing import Any

import pytest

from server.models.changes import AliasChange, Change, Promotion, Request, Rollback, decide
from shared.errors import AlreadyExistsError, FailedPreconditionError
from shared.store.releases import Canary, ReleaseRecord

ASK = Request("r1", "", "ann")


def release(stable: int, **fields: Any) -> ReleaseRecord:
    return ReleaseRecord(**{"stable": stable, "aliases": {"latest": 3}, "why": "test", "by": "test", **fields})


HISTORY = [release(1), release(2), release(3)]


def settle(change: Change, releases: list[ReleaseRecord] = HISTORY) -> ReleaseRecord:
    record = decide(change, ASK, releases)
    assert record is not None
    return record


def test_promotion_moves_stable_only_and_holds() -> None:
    """What a person decided must not be undone by the next job."""
    record = settle(Promotion(1))
    assert (record.stable, record.aliases, record.hold, record.change) == (1, {"latest": 3}, True, "promote 1")
    assert (record.by, record.request_id, record.why) == ("ann", "r1", "promote 1")


def test_promotion_that_resumes_clears_the_hold() -> None:
    """Also of the version that is stable: that is how a person only ends the hold."""
    assert not settle(Promotion(3, resume_automatic=True), [*HISTORY, release(3, hold=True)]).hold


def test_promotion_as_canary_leaves_stable_and_zero_ends_it() -> None:
    """A canary is an addition to the table."""
    record = settle(Promotion(2, canary_share=0.1))
    assert (record.stable, record.canary) == (3, Canary(version=2, share=0.1))
    with_canary = [*HISTORY, record.model_copy(update={"request_id": "other"})]
    assert settle(Promotion(2, canary_share=0.0), with_canary).canary is None
    assert settle(Promotion(2), with_canary).canary is None  # it has won
    assert settle(Promotion(1), with_canary).canary == Canary(version=2, share=0.1)


def test_rollback_moves_stable_only_and_holds() -> None:
    """`latest` stays where it is, so those who name it notice nothing."""
    record = settle(Rollback(1))
    assert (record.stable, record.aliases, record.hold) == (1, {"latest": 3}, True)


def test_alias_change_keeps_stable_and_hold() -> None:
    """Pointing an alias is nobody else's business."""
    record = settle(AliasChange("eu", 2), [*HISTORY, release(3, hold=True)])
    assert (record.stable, record.aliases, record.hold) == (3, {"latest": 3, "eu": 2}, True)
    assert settle(AliasChange("latest", 0)).aliases == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Rollback(3), "stable already"),
        (Rollback(4), "never stable; a rollback can go to: 1, 2"),
        (Promotion(3, canary_share=0.5), "is stable: a canary must be another"),
        (Promotion(2, canary_share=0.0), "not the canary: there is no canary"),
        (AliasChange("eu", 0), r"there is no alias 'eu'; there are \['latest'\]"),
    ],
)
def test_change_that_makes_no_sense_is_refused(change: Change, words: str) -> None:
    """And the message says what would."""
    with pytest.raises(FailedPreconditionError, match=words):
        decide(change, ASK, HISTORY)


@pytest.mark.parametrize("change", [Rollback(1), AliasChange("eu", 1), Promotion(1, canary_share=0.1)])
def test_change_before_the_first_release_is_refused(change: Change) -> None:
    """Only a promotion can begin."""
    with pytest.raises(FailedPreconditionError, match="no release yet"):
        decide(change, ASK, [])
    assert settle(Promotion(1), []).aliases == {"latest": 1}


@pytest.mark.parametrize("change", [Rollback(1), AliasChange("eu", 1), Promotion(1), Promotion(1, canary_share=0.1)])
def test_change_to_a_deleted_version_is_refused(change: Change) -> None:
    """Its files are going: whoever lost the race to the deletion decides again, and finds this."""
    with pytest.raises(FailedPreconditionError, match="version 1 was deleted"):
        decide(change, ASK, [*HISTORY, release(3, deleted=1)])


def test_request_that_is_in_the_log_is_settled() -> None:
    """A retried call whose first answer was lost changes nothing more."""
    log = [*HISTORY, settle(Promotion(1)), release(2)]
    assert decide(Promotion(1), ASK, log) is None


def test_request_id_of_another_change_is_refused() -> None:
    """Else a caller would believe in a change that was never made."""
    with pytest.raises(AlreadyExistsError, match="`promote 1`"):
        decide(Promotion(2), ASK, [*HISTORY, settle(Promotion(1))])
