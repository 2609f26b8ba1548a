"""Documents lead somewhere: every relative link and every path that a recipe names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = {".venv", "build", ".git", ".polyhead"}


def documents() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.md")) if not SKIPPED & set(path.relative_to(ROOT).parts)]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_of_document_exist(document: Path) -> None:
    """A dead link is the first thing that a new user finds."""
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_paths_named_in_recipes_exist() -> None:
    """The comments of a recipe point to its results."""
    missing = []
    for recipe in sorted((ROOT / "recipes").glob("*.yaml")):
        paths = re.findall(r"\b((?:docs|recipes|data/samples)/[\w./-]+\.\w+)", recipe.read_text())
        missing += [(recipe.name, path) for path in paths if not (ROOT / path).exists()]
    assert missing == []


def test_commands_of_readme_are_targets_of_the_makefile() -> None:
    """`make ...` in a document is a promise."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named <= targets


def test_polyhead_commands_of_readme_exist() -> None:
    """So are the commands of the client."""
    named = set(re.findall(r"^polyhead ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    for command in sorted(named):
        help_of = [sys.executable, "-m", "polyhead", command, "--help"]
        assert subprocess.run(help_of, capture_output=True, check=False).returncode == 0, command
