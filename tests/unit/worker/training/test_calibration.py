"""Temperature scaling and the calibration error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from worker.training.calibration import BOUNDS, expected_calibration_error, fit_temperature


def test_temperature_of_logits_that_were_scaled_is_that_scale() -> None:
    """Labels drawn from softmax(logits) are calibrated by 1; three times the logits need a temperature of 3."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    labels = np.array([rng.choice(3, p=scores) for scores in softmax(logits, axis=1)])
    assert fit_temperature(logits, labels) == pytest.approx(1.0, abs=0.05)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3.0, abs=0.15)


def test_temperature_of_a_head_that_is_always_right_stays_within_bounds() -> None:
    """Its cross-entropy falls for ever as the temperature does: a small validation set must not make it zero."""
    logits = np.array([[5.0, 0.0], [0.0, 5.0]])
    assert BOUNDS[0] <= fit_temperature(logits, np.array([0, 1])) < 0.5
    assert 10 < fit_temperature(logits, np.array([1, 0])) <= BOUNDS[1]


def test_calibration_error_of_known_bins_is_the_weighted_gap() -> None:
    """Four rows at confidence 0.7, three of them right: a gap of 0.05; two at 0.9, none right: 0.9."""
    scores = np.array([[0.7, 0.3]] * 4 + [[0.1, 0.9]] * 2)
    labels = np.array([0, 0, 0, 1, 0, 0])
    assert expected_calibration_error(scores, labels) == pytest.approx((4 * 0.05 + 2 * 0.9) / 6)


def test_calibration_error_of_a_certain_and_right_classifier_is_zero() -> None:
    """Confidence 1 lies in the last bin, not beyond it."""
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0.0
