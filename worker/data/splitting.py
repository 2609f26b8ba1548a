"""Rows -> train and held-out parts: stratified, seeded, and groups of near-duplicates always on one side. Also samples.

Pure functions of their arguments: the same rows, targets and seed give the same split. Shape letters: N rows, P parts
(0 is train), K columns: a label of a task each, for a multi-label task also one for all its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.errors import DataError
from worker.data.placing import place_groups, place_single_rows

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

PART_NAMES = ("train", "the first held-out part", "the second held-out part")


@dataclass(frozen=True, slots=True)
class Column:
    """What is kept in proportion: a label (empty: all rows of a task), and the shares that held-out parts get of it."""

    label: str
    shares: tuple[float, ...]
    #: The file, for messages.
    place: str = ""

    @property
    def prefix(self) -> str:
        return f"{self.place}: " if self.place else ""


def stratified_sample(label_ids: Ints, num: int, seed: int) -> Ints:
    """Positions of `num` rows (all, if there are fewer), each label with its share, in ascending order.

    Rows of a multi-label task (0/1, N x L) are taken by the set of their labels.
    """
    if num >= len(label_ids):
        return np.arange(len(label_ids))
    if label_ids.ndim == 2:
        label_ids = np.unique(label_ids, axis=0, return_inverse=True)[1].reshape(-1)
    generator = np.random.default_rng(seed)
    quotas = _round_to_total(np.bincount(label_ids) * np.float64(num / len(label_ids)), num)
    picked = [
        generator.permutation(np.flatnonzero(label_ids == label))[:quota] for label, quota in enumerate(quotas.tolist())
    ]
    return np.sort(np.concatenate(picked))


def split_groups(
    label_ids: Ints, groups: Ints, shares: Sequence[float], seed: int, labels: Sequence[str]
) -> list[Ints]:
    """Positions of the rows of each part of one single-label file, ascending; part p > 0 gets `shares[p - 1]`.

    Raises:
        DataError: if a label has too few groups to be in every part.
    """
    is_in_NK = label_ids[:, None] == np.arange(len(labels))
    columns = [Column(label, tuple(shares)) for label in labels]
    part_of = split_rows(is_in_NK, columns, groups, np.zeros(len(label_ids), dtype=np.bool_), seed)
    return [np.flatnonzero(part_of == part) for part in range(len(shares) + 1)]


def split_rows(is_in_NK: Flags, columns: Sequence[Column], groups: Ints, is_known_N: Flags, seed: int) -> Ints:
    """The part of each row. A group is never torn apart; each column gets its shares in the held-out parts.

    Groups with a known row stay in train, as far as the others are enough for the held-out parts. A column with a share
    of 0 in a part should have no row there; a group that it shares with another column may put one there nevertheless.

    Raises:
        DataError: if a label has too few groups to be in every part.
    """
    generator = np.random.default_rng(seed)
    _, groups = np.unique(groups, return_inverse=True)
    target_PK = _targets(is_in_NK.sum(axis=0), columns)
    _require_groups(is_in_NK, columns, groups, target_PK)
    needs_GK = np.zeros((int(groups.max(initial=-1)) + 1, len(columns)), dtype=np.int64)
    np.add.at(needs_GK, groups, is_in_NK)
    is_pinned_G = np.zeros(len(needs_GK), dtype=np.bool_)
    is_pinned_G[groups[is_known_N]] = True
    _release(is_pinned_G, needs_GK, target_PK, generator)
    sizes_G = np.bincount(groups, minlength=len(needs_GK))
    is_single_G = (sizes_G == 1) & (needs_GK.sum(axis=1) == 1) & ~is_pinned_G
    part_of_G = np.where(is_pinned_G, 0, -1)
    left_PK = target_PK.copy()
    left_PK[0] -= needs_GK[is_pinned_G].sum(axis=0)
    place_groups(
        np.flatnonzero(~is_single_G & ~is_pinned_G), sizes_G, needs_GK, target_PK, left_PK, part_of_G, generator
    )
    place_single_rows(is_single_G, needs_GK, left_PK, part_of_G, generator)
    part_of: Ints = part_of_G[groups]
    _require_labels(is_in_NK, part_of, columns, target_PK)
    return part_of


def _targets(counts_K: Ints, columns: Sequence[Column]) -> Ints:
    shares_PK = np.array([column.shares for column in columns]).T
    held_out_PK = np.where(shares_PK > 0, np.maximum(1, np.rint(counts_K * shares_PK)), 0).astype(np.int64)
    return np.vstack([counts_K - held_out_PK.sum(axis=0), held_out_PK])


def _release(is_pinned_G: Flags, needs_GK: Ints, target_PK: Ints, generator: np.random.Generator) -> None:
    """Unpin as many groups as the held-out parts lack of each column."""
    for column, wanted in enumerate(target_PK[1:].sum(axis=0).tolist()):
        lacking = wanted - int(needs_GK[~is_pinned_G, column].sum())
        for group in generator.permutation(np.flatnonzero(is_pinned_G & (needs_GK[:, column] > 0))):
            if lacking <= 0:
                break
            is_pinned_G[group] = False
            lacking -= int(needs_GK[group, column])


def _require_groups(is_in_NK: Flags, columns: Sequence[Column], groups: Ints, target_PK: Ints) -> None:
    for number, column in enumerate(columns):
        own = groups[is_in_NK[:, number]]
        num_groups, num_parts = len(np.unique(own)), 1 + int((target_PK[1:, number] > 0).sum())
        if num_groups < num_parts:
            what = f"label {column.label!r} has" if column.label else "there are"
            raise DataError(
                f"{column.prefix}{what} {len(own)} rows, which are {num_groups} different texts up to "
                f"near-duplicates; at least {num_parts} are needed to have one in each of {num_parts} parts"
            )


def _require_labels(is_in_NK: Flags, part_of: Ints, columns: Sequence[Column], target_PK: Ints) -> None:
    for part, name in zip(range(len(target_PK)), PART_NAMES, strict=False):
        for number in np.flatnonzero(target_PK[part] > 0).tolist():
            column = columns[number]
            if column.label and not (part_of[is_in_NK[:, number]] == part).any():
                raise DataError(
                    f"{column.prefix}near-duplicates of label {column.label!r} are too many to leave one row of it for "
                    f"{name}; add rows of this label, or name files for validation and test"
                )


def _round_to_total(quotas: npt.NDArray[np.floating], total: int) -> Ints:
    """Whole numbers near `quotas` that add up to `total` (largest remainders)."""
    whole: Ints = np.floor(quotas).astype(np.int64)
    rest = total - int(whole.sum())
    whole[np.argsort(-(quotas - whole), kind="stable")[:rest]] += 1
    return whole
