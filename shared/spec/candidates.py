"""The specs that a search may try: which fields it may change, to which values. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from shared.spec.paths import with_value
from shared.spec.searching import MAX_GRID_POINTS, SearchParameter, SearchSpec

Values = dict[str, Any]
#: A step that is a fraction in binary must not lose the last point of a range.
_EPSILON = 1e-9


def apply_values(body: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A job's spec as plain data, with the values of one trial and without the search.

    Raises:
        UnknownFieldError: if a path leads nowhere.
    """
    changed = {name: part for name, part in body.items() if name != "search"}
    # Whole parts first, so that a field of one is set in what was chosen for it.
    for path in sorted(values, key=lambda path: path.count(".")):
        changed = with_value(changed, path, values[path])
    return changed


def grid_values(parameter: SearchParameter, kind: type | None) -> Sequence[Any] | None:
    """All values of a parameter in a grid; None if it names too many, or no step. `kind`: see paths.field_kind."""
    if parameter.choices:
        return parameter.choices
    low, high = parameter.bounds()
    step = parameter.step or (1.0 if kind is int and not parameter.log else 0.0)
    count = math.floor((high - low) / step + _EPSILON) + 1 if step else MAX_GRID_POINTS + 1
    if count > MAX_GRID_POINTS:
        return None
    values = [float(f"{low + i * step:.12g}") for i in range(count)]
    return [int(value) for value in values] if kind is int else values


def grid_points(search: SearchSpec, kinds: Mapping[str, type | None]) -> list[Values]:
    """Every combination, the last parameter running fastest."""
    values = {path: grid_values(parameter, kinds[path]) or () for path, parameter in search.parameters.items()}
    return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
