"""Similarity, files and pictures of vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

from polyhead.cli import plot
from polyhead.cli.exits import UsageError
from polyhead.cli.similarity import cosine_matrix
from polyhead.cli.vectors import write_vectors


def test_cosine_matrix_of_known_vectors_is_exact() -> None:
    """Same direction 1, right angle 0, opposite -1, whatever the lengths; no direction is similar to nothing."""
    matrix = cosine_matrix([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, 0.0]])
    assert matrix[0] == [1.0, 1.0, 0.0, -1.0, 0.0]
    assert matrix[4] == [0.0] * 5


def test_vectors_written_in_both_formats_read_back(tmp_path: Path) -> None:
    """Float32 in .npy, and one JSON object a line with the sentence."""
    vectors = [[0.5, 0.25], [1.0, 0.0]]
    write_vectors(tmp_path / "v.npy", ["é", "b"], vectors)
    write_vectors(tmp_path / "v.jsonl", ["é", "b"], vectors)
    loaded = numpy.load(tmp_path / "v.npy")
    assert loaded.dtype == numpy.float32
    assert loaded.tolist() == vectors
    lines = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {"sentence": "é", "values": [0.5, 0.25]}


def test_vectors_into_a_missing_folder_are_refused(tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(UsageError, match="none"):
        write_vectors(tmp_path / "none" / "v.jsonl", ["a"], [[1.0]])


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_plot_of_three_sentences_is_an_image(tmp_path: Path, method: str) -> None:
    """t-SNE's usual perplexity would refuse so few; a dollar sign must not start a formula."""
    path = tmp_path / "map.png"
    plot.check(path, 3)
    plot.draw(path, ["costs $5 or $6", "b", "c"], [[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]], method)  # type: ignore[arg-type]
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("name", "count", "word"), [("map.txt", 5, "must end in"), ("map.png", 2, "at least 3")])
def test_plot_that_cannot_be_drawn_is_refused_early(name: str, count: int, word: str) -> None:
    """Before anything is asked of the server."""
    with pytest.raises(UsageError, match=word):
        plot.check(Path(name), count)
