"""Baselines of multi-label tasks, as worker.training.baselines: label shares, and one-vs-rest TF-IDF + LR.

Their thresholds are fitted on the validation rows, as the model's are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from worker.data.rows import Rows
from worker.training.baselines import C_GRID, fit_logistic_regression
from worker.training.metrics.single_label import ratio
from worker.training.thresholds import fit_thresholds, predict_labels

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MultiLabelScores:
    """Probabilities of the test rows for each label by itself, and from which on a label is told."""

    scores_NC: Scores
    thresholds: tuple[float, ...] = ()
    #: The C that was chosen; 0 for majority.
    c: float = 0.0


def label_shares(train: Rows, test: Rows) -> MultiLabelScores:
    """The share of training rows that have each label, whatever the text; told where it is more than half."""
    return MultiLabelScores(np.tile(train.label_ids.mean(axis=0), (len(test), 1)))


def one_vs_rest(
    train: Rows, validation: Rows, test: Rows, on_fitted: Callable[[], None] | None = None
) -> MultiLabelScores:
    """Logistic regression for each label; macro-F1 on `validation` chooses one C for all, the smallest of equals."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform(train.texts)
    held_out, tested = vectorizer.transform(validation.texts), vectorizer.transform(test.texts)
    best, best_f1 = None, -1.0
    for c in C_GRID:
        scores_NC, tested_NC = _fit_labels(c, features, train.label_ids, held_out, tested)
        thresholds = fit_thresholds(scores_NC, validation.label_ids)
        f1 = macro_f1(validation.label_ids, predict_labels(scores_NC, thresholds))
        if f1 > best_f1:
            best, best_f1 = MultiLabelScores(tested_NC, thresholds, c), f1
        if on_fitted is not None:
            on_fitted()
    assert best is not None
    return best


def macro_f1(targets_NC: npt.NDArray[np.int64], told_NC: npt.NDArray[np.int64]) -> float:
    """Mean F1 over the labels; one that neither occurs nor is told counts 0."""
    hits_C = (targets_NC * told_NC).sum(axis=0).astype(np.float64)
    return float(ratio(2 * hits_C, (targets_NC.sum(axis=0) + told_NC.sum(axis=0)).astype(np.float64)).mean())


def _fit_labels(
    c: float, features: csr_matrix, targets_NC: npt.NDArray[np.int64], *unseen: csr_matrix
) -> tuple[Scores, ...]:
    """Probabilities of each label for the rows of each of `unseen`."""
    columns: list[list[Scores]] = [[] for _ in unseen]
    for targets_N in targets_NC.T:
        if targets_N.min() == targets_N.max():  # nothing to tell apart: every row has the label
            scores = [np.full(rows.shape[0], float(targets_N[0])) for rows in unseen]
        else:
            classifier = fit_logistic_regression(c, features, targets_N)
            scores = [classifier.predict_proba(rows)[:, 1] for rows in unseen]
        for own, column in zip(columns, scores, strict=True):
            own.append(column)
    return tuple(np.column_stack(own) for own in columns)
