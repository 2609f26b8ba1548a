"""The recipe as an artifact shows it, in its page and its card: copied into a file, `polyhead train` runs it. Pure."""

from __future__ import annotations

from shared.spec import JobSpec


def recipe_text(spec: JobSpec) -> str:
    """JSON, which is YAML too. What is not given is left out: a null has no place in a recipe's numbers."""
    return spec.model_dump_json(indent=1, exclude_none=True)
