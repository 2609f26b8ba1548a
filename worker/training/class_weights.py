"""Factors of the labels in a task's loss, from the rows it is trained on."""

from __future__ import annotations

import numpy as np

from shared.spec import ClassWeightsSpec
from worker.data.rows import Rows


def class_weights(spec: ClassWeightsSpec, labels: tuple[str, ...], train: Rows) -> tuple[float, ...]:
    """One factor a label, in their order; nothing where the task has none.

    balanced: n / (k * count) as `sklearn.utils.class_weight`; of a multi-label task, whose factors weigh the rows with
    the label against those without it, absent / present.
    """
    if spec.policy == "none":
        return ()
    if spec.policy == "explicit":
        return tuple(spec.weights.get(label, 1.0) for label in labels)
    counts = train.has_label(len(labels)).sum(axis=0)
    if train.label_ids.ndim == 2:
        # A label that every row has would get 0, and its rows with it no say at all.
        return tuple(np.where(counts == len(train), 1.0, (len(train) - counts) / counts).tolist())
    return tuple((len(train) / (len(labels) * counts)).tolist())
