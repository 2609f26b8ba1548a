"""The baselines that a model is measured against."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny_rows import make_rows
from worker.data.rows import Rows
from worker.training.baselines import C_GRID, majority, tfidf_logistic_regression


def test_majority_scores_every_text_with_the_training_shares() -> None:
    """Also for labels without a training row, which get a column of zeros."""
    train = Rows(["a", "b", "c", "d"], np.array([0, 0, 0, 2]))
    scores = majority(train, make_rows(3), num_labels=4).scores_NC
    assert scores.tolist() == [[0.75, 0.0, 0.25, 0.0]] * 3


def test_tfidf_logistic_regression_on_words_that_tell_the_label_learns_it() -> None:
    """A baseline that cannot learn the obvious would be easy to beat."""
    train, validation, test = (make_rows(rows, 3, seed) for seed, rows in enumerate((200, 60, 60)))
    result = tfidf_logistic_regression(train, validation, test, num_labels=3)
    assert np.array_equal(result.scores_NC.argmax(1), test.label_ids)
    assert result.scores_NC.sum(axis=1) == pytest.approx(1.0)
    assert result.c in C_GRID


def test_tfidf_logistic_regression_that_does_not_converge_is_judged_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A large C may need more iterations than it gets: no reason to fail a job (warnings are errors in this test)."""
    monkeypatch.setattr("worker.training.baselines._MAX_ITERATIONS", 1)
    train, validation, test = (make_rows(rows, 3, seed) for seed, rows in enumerate((200, 60, 60)))
    result = tfidf_logistic_regression(train, validation, test, num_labels=3)
    assert result.scores_NC.sum(axis=1) == pytest.approx(1.0)


def test_tfidf_logistic_regression_chooses_c_on_validation_rows_alone() -> None:
    """Choosing it on the test rows would flatter the baseline; other test rows must not change it."""
    train, validation = make_rows(60, 3, seed=1), make_rows(60, 3, seed=2)
    chosen = {tfidf_logistic_regression(train, validation, make_rows(50, 3, seed), 3).c for seed in (3, 4, 5)}
    assert len(chosen) == 1


def test_tfidf_logistic_regression_without_a_label_in_training_gives_it_no_score() -> None:
    """Columns stay in the order of the task's labels."""
    train = Rows(["good day"] * 3 + ["bad day"] * 3, np.array([0] * 3 + [2] * 3))
    scores = tfidf_logistic_regression(train, train, train, num_labels=3).scores_NC
    assert scores[:, 1].tolist() == [0.0] * 6
    assert np.array_equal(scores.argmax(1), train.label_ids)
