"""How to write a file of this machine in a recipe, whose paths begin at a data root of the worker.

Owns the words for people; roots.resolve decides. Pure but for `stat`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import yaml


def recipe_hint(folder: Path, parts: Sequence[str], roots: Sequence[Path]) -> str:
    """The `data:` field for the files <part>.csv of `folder`, or why no recipe can name them."""
    real = folder.resolve()
    for root in roots:
        if real.is_relative_to(root.resolve()):
            below = real.relative_to(root.resolve())
            files = {part: (below / f"{part}.csv").as_posix() for part in parts}
            # One line of YAML, with quotes where a folder's name needs them.
            field = yaml.safe_dump(files, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
            return f"in a recipe (paths begin at the data root {root}): data: {field.strip()}"
    looked = os.pathsep.join(map(str, roots))
    return (
        f"{folder} lies outside of the data roots ({looked}), so a recipe cannot name it: move it below one, or start "
        "the worker with its parent folder as a root (WORKER_DATA_ROOTS, or polyhead up --data-root)"
    )


def meant_below_root(value: str, roots: Sequence[Path]) -> str:
    """`value` without its first component, if that exists below a root; else nothing.

    People write a path as they see it from the checkout, with the root's own name in front.
    """
    path = Path(value)
    if path.is_absolute() or len(path.parts) < 2:
        return ""
    rest = Path(*path.parts[1:])
    for root in roots:
        try:
            real = (root / rest).resolve()
            if real.is_relative_to(root.resolve()) and real.exists():
                return rest.as_posix()
        except (OSError, RuntimeError):  # a closed folder, links in a circle: nothing to suggest
            continue
    return ""
