"""Temperature scaling: one number per head that makes its scores mean what they say (Guo et al. 2017, section 4.2)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from worker.training.corpus import Indices

#: Wider than any fitted on real heads (0.8 to 3); it keeps a head that is always right from a temperature of zero.
BOUNDS = (0.05, 20.0)
#: Of a normal prior around 0 on the logarithm of the temperature: 95 % of it from 0.37 to 2.7, about what real heads
#: have. Ten rows that are all right would have a temperature of zero without it; thousands of rows outweigh it.
PRIOR_DEVIATION = 0.5


def fit_temperature(logits_NC: npt.NDArray[np.float64], label_ids: Indices) -> float:
    """The most probable temperature: it minimises the cross-entropy of `logits_NC` / temperature, with a prior.

    The cross-entropy is summed over the rows; of a multi-label task, whose `label_ids` are 0/1 for each label, it is
    the binary one of all its labels.
    """

    def cross_entropy(log_temperature: float) -> float:
        scaled_NC = logits_NC / math.exp(log_temperature)
        if label_ids.ndim == 2:
            return float((np.logaddexp(0, scaled_NC) - label_ids * scaled_NC).sum())
        return -float(log_softmax(scaled_NC, axis=1)[np.arange(len(label_ids)), label_ids].sum())

    def loss(log_temperature: float) -> float:
        return cross_entropy(log_temperature) + (log_temperature / PRIOR_DEVIATION) ** 2 / 2

    bounds = (math.log(BOUNDS[0]), math.log(BOUNDS[1]))
    return math.exp(float(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def expected_calibration_error(scores_NC: npt.NDArray[np.float64], label_ids: Indices, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins of confidence (Guo et al. 2017, equation 3)."""
    confidence_N = scores_NC.max(axis=1)
    is_right_N = scores_NC.argmax(axis=1) == label_ids
    # Bins are open below and closed above, as in the paper.
    bin_N = np.clip(np.ceil(confidence_N * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(bin_N, weights=is_right_N - confidence_N, minlength=bins)
    return float(np.abs(gap).sum() / len(label_ids))
