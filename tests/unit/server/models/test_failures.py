"""Versions that were not loaded: what is told of them, and when they are tried again."""

from __future__ import annotations

import pytest

from server.models.failures import PASSING_RETRY_S, REFUSED_RETRY_S, Failure, Failures
from server.models.policy import Candidate
from shared.errors import CorruptArtifactError, SchemaVersionError, StoreError


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


SEVEN = Candidate(4, 7)


def failure(error: Exception) -> Failure:
    return Failure.of(error, SEVEN)


@pytest.mark.parametrize(
    ("error", "is_passing"),
    [
        (CorruptArtifactError("hash"), False),
        (SchemaVersionError("future"), False),
        (StoreError("cannot read"), True),
        (MemoryError(), True),
        (OSError("disk"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (IndexError("index out of range in self"), False),
    ],
)
def test_faults_of_the_machine_pass_those_of_the_model_do_not(error: Exception, is_passing: bool) -> None:
    """A corrupt model must not be loaded again every few seconds, and one that found no memory must be."""
    assert failure(error).is_passing is is_passing


@pytest.mark.parametrize(
    ("error", "pause_s"), [(CorruptArtifactError("x"), REFUSED_RETRY_S), (StoreError("x"), PASSING_RETRY_S)]
)
def test_failed_version_is_tried_again_after_a_while(error: Exception, pause_s: float) -> None:
    """Somebody may have repaired it, and nobody should have to restart a server for that."""
    clock = Clock()
    failures = Failures(clock)
    failures.add(failure(error))
    clock.now_s += pause_s - 1
    assert failures.blocks(SEVEN, 4)
    clock.now_s += 2
    assert not failures.blocks(SEVEN, 4)
    assert failures.all()  # and is still told, until it is loaded


def test_refused_version_is_tried_again_when_a_newer_release_names_it() -> None:
    """The release may be the answer to the refusal; one that does not name it is none."""
    failures = Failures(Clock())
    failures.add(failure(CorruptArtifactError("x")))
    assert failures.blocks(SEVEN, 5)
    assert failures.blocks(Candidate(3, 7), 5)
    assert not failures.blocks(Candidate(5, 7), 5)
    assert not failures.blocks(Candidate(4, 8), 5)


@pytest.mark.parametrize(("error", "is_blocked"), [(CorruptArtifactError("x"), True), (StoreError("x"), False)])
def test_refused_fallback_is_not_tried_again_by_time(error: Exception, is_blocked: bool) -> None:
    """A long history of bad releases must not be loaded every few minutes; a fallback that was unreadable must be."""
    clock = Clock()
    failures = Failures(clock)
    failures.add(failure(error))
    clock.now_s += REFUSED_RETRY_S + 1
    assert failures.blocks(SEVEN, newest_release=5) is is_blocked


def test_the_same_failure_again_is_no_news() -> None:
    """The log says it once."""
    failures = Failures(Clock())
    first = failure(CorruptArtifactError("x"))
    assert failures.is_news(first)
    failures.add(first)
    assert not failures.is_news(failure(CorruptArtifactError("x")))
    assert failures.is_news(failure(CorruptArtifactError("y")))
