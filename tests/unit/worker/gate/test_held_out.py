"""Rows to compare on: comparable, enough, and new to both models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.model import Task
from worker.data.known import text_hashes
from worker.data.rows import Rows
from worker.gate.held_out import MIN_ROWS, HeldOut, choose_rows

MOOD = Task("mood", ("down", "up"))
NOTHING = np.empty(0, dtype=np.int64)


def rows(num: int) -> Rows:
    return Rows([f"a text about thing number {n}" for n in range(num)], np.arange(num, dtype=np.int64) % 2)


def chosen(test: Rows, **fields: Any) -> HeldOut:
    given = {"own": MOOD, "theirs": MOOD, "version": 3, "trained_on": {}, "before": NOTHING} | fields
    return choose_rows(test=test, **given)


def test_new_rows_are_all_taken() -> None:
    """The common case: a job that splits its own file."""
    found = chosen(rows(40), trained_on={"mood": text_hashes(["something else"])})
    assert found.rows is not None
    assert (len(found.rows), found.note) == (40, "")


def test_rows_that_either_model_was_trained_on_are_left_out() -> None:
    """A model that has seen the answers would win; texts count for every task, since all trained one encoder."""
    test = rows(60)
    found = chosen(test, trained_on={"topic": text_hashes(test.texts[:10])}, before=text_hashes(test.texts[5:20]))
    assert found.rows is not None
    assert found.rows.texts == test.texts[20:]
    assert found.rows.label_ids.tolist() == test.label_ids[20:].tolist()
    assert found.note == "20 held-out rows left out that were trained on before"


def test_too_few_new_rows_are_no_comparison() -> None:
    """And it is said how many there were besides."""
    test = rows(40)
    found = chosen(test, trained_on={"mood": text_hashes(test.texts[: 41 - MIN_ROWS])})
    assert found.rows is None
    assert found.note == "29 held-out rows are too few, 30 are needed; 11 more were trained on before"
    assert chosen(rows(29)).note == "29 held-out rows are too few, 30 are needed"
    assert chosen(rows(30)).rows is not None


def test_champion_that_does_not_tell_is_compared_with_a_warning() -> None:
    """A version of an older worker: better a doubtful comparison, with the doubt told, than none."""
    found = chosen(rows(40), trained_on=None)
    assert found.rows is not None
    assert found.note == "version 3 does not tell what it was trained on, so these rows may flatter it"


@pytest.mark.parametrize(
    ("theirs", "note"),
    [
        (Task("mood", ("down", "up", "flat")), "version 3 has the labels down, up, flat"),
        (Task("mood", ("down", "up"), kind="multi_label"), "version 3 has it as multi_label"),
    ],
)
def test_tasks_that_mean_other_things_are_not_compared(theirs: Task, note: str) -> None:
    """The same name is not the same question."""
    assert chosen(rows(40), theirs=theirs) == HeldOut(None, note)
