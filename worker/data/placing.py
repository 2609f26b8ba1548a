"""Which part a group of rows goes to, given what each part still lacks: the two placements that a split is made of.

Both write to `part_of_G`. Shape letters as in worker.data.splitting; G groups.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def place_groups(
    which: Ints,
    sizes_G: Ints,
    needs_GK: Ints,
    target_PK: Ints,
    left_PK: Ints,
    part_of_G: Ints,
    generator: np.random.Generator,
) -> None:
    """Place the groups `which` where most of their columns' room is left, and take them off `left_PK`.

    The largest go first, since they fit least; of equals those with the rarest column, as in iterative stratification
    (Sechidis, Tsoumakas & Vlahavas 2011).
    """
    counts_K = needs_GK.sum(axis=0)
    rarest_G = np.where(needs_GK > 0, counts_K, np.iinfo(np.int64).max).min(axis=1, initial=np.iinfo(np.int64).max)
    shuffled = generator.permutation(which)
    order = shuffled[np.lexsort((rarest_G[shuffled], -sizes_G[shuffled]))]
    scale_PK = np.maximum(target_PK, 1)
    for group in order.tolist():
        own = np.flatnonzero(needs_GK[group])
        need = needs_GK[group, own]
        room_P = ((left_PK[:, own] - need) / scale_PK[:, own] * need).sum(axis=1)
        part = int(np.argmax(room_P))
        part_of_G[group] = part
        left_PK[part, own] -= need


def place_single_rows(
    is_single_G: npt.NDArray[np.bool_],
    needs_GK: Ints,
    left_PK: Ints,
    part_of_G: Ints,
    generator: np.random.Generator,
) -> None:
    """Fill each column of the held-out parts up to what is left of it; the rest is train."""
    for column in range(needs_GK.shape[1]):
        free = generator.permutation(np.flatnonzero(is_single_G & (needs_GK[:, column] > 0)))
        for part in range(1, len(left_PK)):
            quota = max(0, int(left_PK[part, column]))
            part_of_G[free[:quota]] = part
            free = free[quota:]
        part_of_G[free] = 0
