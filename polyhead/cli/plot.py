"""Draws sentences in two dimensions. Needs the extra `plot` (matplotlib, scikit-learn); never opens a window."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from polyhead.cli.exits import UsageError
from polyhead.cli.output import shorten

SUFFIXES = (".png", ".svg", ".pdf")
#: t-SNE needs a perplexity below the number of points; 30 is scikit-learn's default for many.
MAX_PERPLEXITY = 30.0
SEED = 13


def check(path: Path, num_sentences: int) -> None:
    """Say what is missing before anything is asked of the server.

    Raises:
        UsageError: if there is too little to draw, or the packages are missing.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"--plot {path}: the name must end in {', '.join(SUFFIXES)}")
    if num_sentences < 3:
        raise UsageError(f"--plot needs at least 3 sentences, there are {num_sentences}")
    missing = [name for name in ("matplotlib", "sklearn") if find_spec(name) is None]
    if missing:
        raise UsageError(f"--plot needs {' and '.join(missing)}: pip install 'polyhead[plot]'")


def draw(
    path: Path, sentences: Sequence[str], vectors: Sequence[Sequence[float]], method: Literal["tsne", "pca"]
) -> None:
    """Write an image with one labelled point a sentence.

    Raises:
        UsageError: if the image cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = _flatten(vectors, method)
    figure = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.scatter([x for x, _ in points], [y for _, y in points])
    for (x, y), sentence in zip(points, sentences, strict=True):
        label = shorten(sentence, 40).replace("$", r"\$")
        axes.annotate(label, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set_title(f"{len(points)} sentences, {'t-SNE' if method == 'tsne' else 'PCA'}")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.2)
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _flatten(vectors: Sequence[Sequence[float]], method: Literal["tsne", "pca"]) -> list[tuple[float, float]]:
    import numpy
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    matrix = numpy.asarray(vectors, dtype=numpy.float32)
    if method == "tsne":
        perplexity = min(MAX_PERPLEXITY, (len(matrix) - 1) / 3)
        flat = TSNE(n_components=2, perplexity=perplexity, init="random", random_state=SEED).fit_transform(matrix)
    else:
        flat = PCA(n_components=2, random_state=SEED).fit_transform(matrix)
    return [(float(x), float(y)) for x, y in flat]
