"""The figures of one classifier on one task's rows: the model's and the baselines' are made by this one function."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, recall_score

from worker.training.calibration import expected_calibration_error
from worker.training.corpus import Indices


def classification_metrics(scores_NC: npt.NDArray[np.float64], label_ids: Indices) -> dict[str, Any]:
    """`scores_NC` are probabilities in the order of the task's labels.

    Macro averages go over all labels of the task; one without rows counts 0. confusion[i][j]: rows of label i that were
    told to be label j. Cross-entropy is in nats.
    """
    labels = np.arange(scores_NC.shape[1])
    predicted = scores_NC.argmax(axis=1)
    return {
        "accuracy": float(accuracy_score(label_ids, predicted)),
        "macro_f1": float(f1_score(label_ids, predicted, labels=labels, average="macro", zero_division=0)),
        "macro_recall": float(recall_score(label_ids, predicted, labels=labels, average="macro", zero_division=0)),
        "cross_entropy": float(log_loss(label_ids, scores_NC, labels=labels)),
        "ece": expected_calibration_error(scores_NC, label_ids),
        "confusion": confusion_matrix(label_ids, predicted, labels=labels).tolist(),
        "rows": len(label_ids),
    }
