"""The worst mistakes: wrong answers only, the surest first."""

from __future__ import annotations

import numpy as np

from worker.report.mistakes import worst_mistakes

LABELS = ("bad", "good")


def test_mistakes_are_wrong_answers_with_the_highest_loss_first() -> None:
    """A right answer that is unsure is no mistake, and the surest wrong one is worth most to look at."""
    scores = np.array([[0.6, 0.4], [0.1, 0.9], [0.99, 0.01], [0.45, 0.55]])
    found = worst_mistakes(["a", "b", "c", "d"], np.array([1, 1, 1, 1]), scores, LABELS)
    assert [(mistake.text, mistake.truth, mistake.told) for mistake in found] == [
        ("c", "good", "bad"),
        ("a", "good", "bad"),
    ]
    assert (found[0].truth_score, found[0].told_score) == (0.01, 0.99)


def test_mistakes_of_rows_with_several_labels_name_the_worst_label() -> None:
    """One that is missing, or one too many."""
    scores = np.array([[0.9, 0.2], [0.1, 0.1], [0.2, 0.85]])
    found = worst_mistakes(["fine", "missing", "too many"], np.array([[1, 0], [1, 0], [0, 0]]), scores, LABELS)
    assert [(mistake.text, mistake.truth, mistake.told) for mistake in found] == [
        ("missing", "bad", "not bad"),
        ("too many", "not good", "good"),
    ]


def test_list_is_short_and_its_texts_are_one_line() -> None:
    """A page that nobody reads to its end helps nobody."""
    rows = 100
    scores = np.tile([0.8, 0.2], (rows, 1))
    found = worst_mistakes(["two\nlines " * 200] * rows, np.ones(rows, dtype=np.int64), scores, LABELS, limit=7)
    assert len(found) == 7
    assert all(len(mistake.text) <= 300 and "\n" not in mistake.text for mistake in found)
