"""The worst mistakes: validation rows whose label got the least of the score. Pure.

Of validation rows, not of test rows: who looks at mistakes changes something because of them, and a test set that was
looked at measures no more. Shapes: N rows, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: What a person reads in a sitting.
LIMIT = 25
MAX_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Mistake:
    """`truth` is what the data says, `told` what the model says, with the scores it gave to both."""

    text: str
    truth: str
    truth_score: float
    told: str
    told_score: float


def worst_mistakes(
    texts: Sequence[str],
    targets: npt.NDArray[np.int64],
    scores_NC: npt.NDArray[np.float64],
    labels: Sequence[str],
    thresholds: Sequence[float] = (),
    limit: int = LIMIT,
) -> list[Mistake]:
    """Wrong answers, the highest loss first. Of rows with several labels, the worst of those told wrongly.

    `thresholds` of such a task, by label; without them 0.5.
    """
    if targets.ndim == 1:
        truth_N, told_N = targets, scores_NC.argmax(axis=1)
        rows = np.arange(len(targets))
        truth_score_N, told_score_N = scores_NC[rows, truth_N], scores_NC[rows, told_N]
        wrong = np.flatnonzero(truth_N != told_N)
        names = [(labels[truth], labels[told]) for truth, told in zip(truth_N, told_N, strict=True)]
    else:
        is_told_NC = scores_NC >= (np.asarray(thresholds) if len(thresholds) else 0.5)
        is_wrong_NC = is_told_NC != (targets == 1)
        right_NC = np.where(targets == 1, scores_NC, 1 - scores_NC)
        worst_N = np.where(is_wrong_NC, right_NC, np.inf).argmin(axis=1)
        truth_score_N = right_NC[np.arange(len(targets)), worst_N]
        told_score_N = 1 - truth_score_N
        wrong = np.flatnonzero(is_wrong_NC.any(axis=1))
        names = [_yes_or_no(labels[c], bool(targets[row, c])) for row, c in enumerate(worst_N)]
    order = wrong[np.argsort(truth_score_N[wrong], kind="stable")][:limit]
    return [
        Mistake(_shorten(texts[i]), names[i][0], float(truth_score_N[i]), names[i][1], float(told_score_N[i]))
        for i in order
    ]


def _yes_or_no(label: str, is_there: bool) -> tuple[str, str]:
    return (label, f"not {label}") if is_there else (f"not {label}", label)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1] + "…"
