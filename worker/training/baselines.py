"""Baselines on the same rows: what a model has to beat to be worth its compute.

majority: the label shares of the training rows for every text. tfidf_lr: logistic regression on TF-IDF of word 1- and
2-grams, its C chosen on the validation rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from worker.data.rows import Rows

#: Up to where the validation score of 35,000 short texts stops rising (measured on kaggle_layout, 2026-11).
C_GRID = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
#: The most that a C of the grid needed on kaggle_layout was 153 (2026-11).
_MAX_ITERATIONS = 1000


@dataclass(frozen=True, slots=True)
class BaselineScores:
    """Probabilities of the test rows, scores_NC, in the order of the task's labels."""

    scores_NC: npt.NDArray[np.float64]
    #: The C that was chosen; 0 for majority.
    c: float = 0.0


def majority(train: Rows, test: Rows, num_labels: int) -> BaselineScores:
    """The label shares of `train`, whatever the text."""
    classifier = DummyClassifier(strategy="prior").fit(np.zeros((len(train), 1)), train.label_ids)
    scores = classifier.predict_proba(np.zeros((len(test), 1)))
    return BaselineScores(_all_labels(scores, classifier.classes_, num_labels))


def tfidf_logistic_regression(
    train: Rows, validation: Rows, test: Rows, num_labels: int, on_fitted: Callable[[], None] | None = None
) -> BaselineScores:
    """Fitted on `train` alone; macro-F1 on `validation` chooses C, the smallest of equals.

    On one core 35,000 rows of two labels take about 15 s, 22,000 of three about 40 s (kaggle_layout, 2026-11). Each C
    starts anew: from the last one's weights the larger ones stop at once and score worse. `on_fitted` is called after
    each C of the grid.
    """
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform(train.texts)
    held_out = vectorizer.transform(validation.texts)
    best, best_f1 = None, -1.0
    for c in C_GRID:
        classifier = fit_logistic_regression(c, features, train.label_ids)
        f1 = float(f1_score(validation.label_ids, classifier.predict(held_out), average="macro", zero_division=0))
        if f1 > best_f1:
            best, best_f1 = classifier, f1
        if on_fitted is not None:
            on_fitted()
    assert best is not None
    scores = best.predict_proba(vectorizer.transform(test.texts))
    return BaselineScores(_all_labels(scores, best.classes_, num_labels), float(best.C))


def fit_logistic_regression(c: float, features: csr_matrix, label_ids: npt.NDArray[np.int64]) -> LogisticRegression:
    with warnings.catch_warnings():
        # Not quite at the optimum is good enough: the validation rows judge what came out, whatever stopped it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=c, max_iter=_MAX_ITERATIONS).fit(features, label_ids)


def _all_labels(scores: npt.NDArray[np.float64], classes: Sequence[int], num_labels: int) -> npt.NDArray[np.float64]:
    """A column for each of the task's labels, also for one that has no training row."""
    scores_NC = np.zeros((len(scores), num_labels))
    scores_NC[:, np.asarray(classes)] = scores
    return scores_NC
