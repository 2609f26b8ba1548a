"""Rows -> train, validation and test: stratified, seeded, and near-duplicates always on one side. Also seeded samples.

Pure functions of their arguments: the same rows, shares and seed give the same split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shared.errors import DataError

Ints = npt.NDArray[np.int64]


def stratified_sample(label_ids: Ints, num: int, seed: int) -> Ints:
    """Positions of `num` rows (all, if there are fewer), each label with its share, in ascending order."""
    if num >= len(label_ids):
        return np.arange(len(label_ids))
    generator = np.random.default_rng(seed)
    quotas = _round_to_total(np.bincount(label_ids) * np.float64(num / len(label_ids)), num)
    picked = [
        generator.permutation(np.flatnonzero(label_ids == label))[:quota] for label, quota in enumerate(quotas.tolist())
    ]
    return np.sort(np.concatenate(picked))


def split_groups(
    label_ids: Ints, groups: Ints, shares: Sequence[float], seed: int, labels: Sequence[str]
) -> list[Ints]:
    """Positions of the rows of each part, ascending. Part 0 is the rest; part p > 0 gets `shares[p - 1]` of each label.

    Groups of several rows go, largest first, where most of their labels' room is left; single rows then fill each
    label up to its share.

    Raises:
        DataError: if a label has too few groups to be in every part.
    """
    generator = np.random.default_rng(seed)
    num_labels, num_parts = len(labels), len(shares) + 1
    counts = np.bincount(label_ids, minlength=num_labels)
    _require_groups(label_ids, groups, num_parts, labels)
    target_PL = np.zeros((num_parts, num_labels), dtype=np.int64)
    for part, share in enumerate(shares, start=1):
        target_PL[part] = np.maximum(1, np.rint(counts * share))
    target_PL[0] = counts - target_PL.sum(axis=0)
    part_of = np.full(len(label_ids), -1, dtype=np.int64)
    left_PL = _place_large_groups(label_ids, groups, target_PL, part_of, generator)
    for label in range(num_labels):
        free = generator.permutation(np.flatnonzero((label_ids == label) & (part_of < 0)))
        for part in range(1, num_parts):
            quota = max(0, int(left_PL[part, label]))
            part_of[free[:quota]] = part
            free = free[quota:]
        part_of[free] = 0
    parts = [np.flatnonzero(part_of == part) for part in range(num_parts)]
    _require_labels(label_ids, parts, labels)
    return parts


def _place_large_groups(
    label_ids: Ints, groups: Ints, target_PL: Ints, part_of: Ints, generator: np.random.Generator
) -> Ints:
    """Give every group of several rows a part (written to `part_of`); what is left of the targets."""
    left_PL = target_PL.copy()
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    large = [rows for rows in members if len(rows) > 1]
    shuffled = [large[i] for i in generator.permutation(len(large))]
    for rows in sorted(shuffled, key=len, reverse=True):
        need_L = np.bincount(label_ids[rows], minlength=target_PL.shape[1])
        room_P = ((left_PL - need_L) / np.maximum(target_PL, 1) * need_L).sum(axis=1)
        part = int(np.argmax(room_P))
        part_of[rows] = part
        left_PL[part] -= need_L
    return left_PL


def _require_groups(label_ids: Ints, groups: Ints, num_parts: int, labels: Sequence[str]) -> None:
    for label, name in enumerate(labels):
        own = groups[label_ids == label]
        num_groups = len(np.unique(own))
        if num_groups < num_parts:
            raise DataError(
                f"label {name!r} has {len(own)} rows, which are {num_groups} different texts up to near-duplicates; "
                f"at least {num_parts} are needed to have one in each of {num_parts} parts"
            )


def _require_labels(label_ids: Ints, parts: Sequence[Ints], labels: Sequence[str]) -> None:
    for part, rows in zip(("train", "the first held-out part", "the second held-out part"), parts, strict=False):
        missing = sorted(set(range(len(labels))) - set(label_ids[rows].tolist()))
        if missing:
            raise DataError(
                f"near-duplicates of label {labels[missing[0]]!r} are too many to leave one row of it for {part}; "
                "add rows of this label, or name files for validation and test"
            )


def _round_to_total(quotas: npt.NDArray[np.floating], total: int) -> Ints:
    """Whole numbers near `quotas` that add up to `total` (largest remainders)."""
    whole: Ints = np.floor(quotas).astype(np.int64)
    rest = total - int(whole.sum())
    whole[np.argsort(-(quotas - whole), kind="stable")[:rest]] += 1
    return whole
