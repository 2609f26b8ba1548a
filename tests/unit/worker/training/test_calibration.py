"""Temperature scaling and the calibration error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from worker.training.calibration import PRIOR_DEVIATION, expected_calibration_error, fit_temperature


def test_temperature_of_logits_that_were_scaled_is_that_scale() -> None:
    """Labels drawn from softmax(logits) are calibrated by 1; three times the logits need a temperature of 3."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    labels = np.array([rng.choice(3, p=scores) for scores in softmax(logits, axis=1)])
    assert fit_temperature(logits, labels) == pytest.approx(1.0, abs=0.05)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, 2.0, 5.0, 20.0])
def test_temperature_from_ten_rows_that_are_all_right_stays_near_one(margin: float) -> None:
    """Their cross-entropy falls for ever as the temperature does; a temperature of 0.05 would score nonsense 0.999."""
    labels = np.arange(10) % 2
    assert 0.3 <= fit_temperature(margin * np.eye(2)[labels], labels) <= 1.001
    has_label = (np.arange(10) % 2)[:, None]
    assert 0.3 <= fit_temperature(margin * (has_label - 0.5), has_label) <= 1.001


def test_temperature_from_two_rows_that_are_wrong_is_no_extreme() -> None:
    """Two rows say little, in this direction as well."""
    assert 1 < fit_temperature(np.array([[5.0, 0.0], [0.0, 5.0]]), np.array([1, 0])) < 4


@pytest.mark.parametrize("scale", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("is_multi_label", [False, True])
def test_temperature_from_two_thousand_rows_is_that_of_the_data_alone(
    scale: float, is_multi_label: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prior is for small validation sets: where the rows know better, it moves nothing by more than 1 %."""
    rng = np.random.default_rng(1)
    logits = 1.5 * rng.normal(size=(2000, 3))
    if is_multi_label:
        labels = (rng.random(logits.shape) < expit(logits)).astype(np.int64)
    else:
        labels = np.array([rng.choice(3, p=scores) for scores in softmax(logits, axis=1)])
    found = fit_temperature(scale * logits, labels)
    monkeypatch.setattr("worker.training.calibration.PRIOR_DEVIATION", 1e9)
    assert PRIOR_DEVIATION < 1
    assert found == pytest.approx(fit_temperature(scale * logits, labels), rel=0.01)
    assert found == pytest.approx(scale, rel=0.1)


def test_calibration_error_of_known_bins_is_the_weighted_gap() -> None:
    """Four rows at confidence 0.7, three of them right: a gap of 0.05; two at 0.9, none right: 0.9."""
    scores = np.array([[0.7, 0.3]] * 4 + [[0.1, 0.9]] * 2)
    labels = np.array([0, 0, 0, 1, 0, 0])
    assert expected_calibration_error(scores, labels) == pytest.approx((4 * 0.05 + 2 * 0.9) / 6)


def test_calibration_error_of_a_certain_and_right_classifier_is_zero() -> None:
    """Confidence 1 lies in the last bin, not beyond it."""
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0.0
