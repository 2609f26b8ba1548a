"""Errors as failures: what another attempt could change, and what it could not."""

from __future__ import annotations

import pytest

from shared.errors import (
    BaseModelError,
    CorruptArtifactError,
    DataError,
    InvalidInputError,
    NotFoundError,
    StoreError,
    TrainingError,
)
from worker.training.process import describe_failure, give_back_memory, peak_memory_mib


@pytest.mark.parametrize("kind", [DataError, InvalidInputError, BaseModelError, NotFoundError, TrainingError])
def test_failure_of_the_job_itself_is_for_good(kind: type[InvalidInputError]) -> None:
    """The same spec, seed and files fail in the same way: trying again would only waste an hour."""
    failure = describe_failure(kind("rows.csv, row 3: no label"))
    assert (failure.code, failure.message, failure.retryable) == (kind.code, "rows.csv, row 3: no label", False)


@pytest.mark.parametrize("kind", [StoreError, CorruptArtifactError])
def test_failure_of_the_store_can_be_tried_again(kind: type[StoreError]) -> None:
    """A full disk is no verdict on the job."""
    assert describe_failure(kind("cannot write x: No space left on device")).retryable


def test_failure_of_an_unexpected_kind_names_it_and_keeps_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug must be found from the record and the log."""
    failure = describe_failure(KeyError("heads"))
    assert (failure.code, failure.message, failure.retryable) == ("INTERNAL", "KeyError: 'heads'", True)
    assert "KeyError: 'heads'" in capsys.readouterr().err


def test_memory_is_told_in_mib_and_giving_it_back_keeps_the_peak() -> None:
    """The peak is what a limit must allow, not what is left at the end."""
    block = bytearray(64 * 2**20)
    block[:: 2**12] = b"x" * (len(block) // 2**12)
    peak = peak_memory_mib()
    assert 64 < peak < 100_000
    del block
    give_back_memory()
    assert peak_memory_mib() >= peak
