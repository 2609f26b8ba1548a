"""The report page: whole, self-contained, and safe whatever the texts say."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from worker.gate.verdict import compare, conclude
from worker.report.charts import line_chart, reliability_chart
from worker.report.mistakes import Mistake
from worker.report.page import Report, TaskPage, render
from worker.report.reliability import reliability

NASTY = "<script>alert('x')</script> & \"<img src=https://example.com/x.png>\""
FIGURES = {"accuracy": 0.75, "macro_f1": 0.5, "macro_recall": 0.5, "cross_entropy": 0.6, "ece": 0.05, "rows": 1234}
DATA = {
    "rows": {"train": 9000, "validation": 1000, "test": 1234},
    "rows_read": 11300,
    "dropped": {"blank text": 66},
    "sha256": {f"dataset:ab/{NASTY}.csv": "ab" * 32},
}
TRAINING: dict[str, Any] = {
    "epochs": 2,
    "steps": 40,
    "trainable_parameters": 165,
    "total_parameters": 22_000_000,
    "precision": "float32",
    "device": "cpu",
    "learning_rates": [{"group": "embeddings", "parameters": 10, "lr": 1e-5, "weight_decay": 0.01}],
    "stages": [{"first_step": 1, "trained": "heads"}, {"first_step": 20, "trained": NASTY}],
    "history": {
        "step": [10, 20, 30, 40],
        "loss": {"mood": [1.0, 0.5, None, 0.25], NASTY: [2.0, 1.0, 0.5, 0.4]},
        "rate_factor": [1.0, 0.6, 0.3, 0.0],
        "validation": [{"step": 20, "figures": {"mood": {"macro_f1": 0.4}}}],
    },
}
#: Elements and attributes that make a browser fetch something.
FETCHING = {"script", "link", "img", "iframe", "object", "embed", "image", "use", "video", "audio", "source"}


def page(mistakes: list[Mistake] | None = None, training: dict[str, Any] = TRAINING, **model: Any) -> str:
    scores = np.array([[0.9, 0.1], [0.3, 0.7]])
    task = TaskPage(
        name="mood",
        kind="single_label",
        labels=("down", NASTY),
        metrics={"model": FIGURES | model, "majority": FIGURES},
        data=DATA,
        reliability=reliability(scores, np.array([0, 0])),
        mistakes=mistakes,
    )
    verdict = conclude({"mood": compare("macro_f1", 0.78, 0.71, 0.01, 1234)}, (), True, champion=4, judged_against=6)
    report = Report(
        created_at="2026-11-28",
        lineage={
            "job": "j",
            "attempt": 1,
            "base_model": "some/base",
            "parent_version": None,
            "data": {},
            "libraries": {"torch": "2.13.0"},
        },
        tasks=[task],
        training=training,
        verdict=verdict,
        recipe=f'{{"note": "{NASTY}"}}',
    )
    return render(report).decode()


class Elements(HTMLParser):
    """All elements of a page with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_texts_of_the_data_stay_texts() -> None:
    """A tweet that is HTML must not run in the browser of who reads the report."""
    elements = Elements(page([Mistake(NASTY, "down", 0.01, NASTY, 0.99)]))
    assert not FETCHING & {tag for tag, _ in elements.found}
    assert not any(name in attributes for _, attributes in elements.found for name in ("src", "href", "onload"))
    assert elements.text.count(NASTY) >= 5  # mistake, label, file, recipe, legend


def test_page_shows_what_is_known() -> None:
    """Verdict with its figures, metrics with intervals, data with hashes, lineage."""
    text = Elements(
        page(
            [],
            confusion=[[600, 17], [300, 317]],
            intervals={"macro_f1": {"low": 0.45, "high": 0.55}},
            slices=[{"tokens": "1-16", "rows": 3, "accuracy": 1.0, "macro_f1": 1.0}],
        )
    ).text
    for part in ("failed: mood macro_f1 0.780 -> 0.710", "0.450", "1,234 test rows", "66 blank text", "ab" * 32,
                 "2.13.0", "Confusion", "By length", "Training loss", "None on the validation rows"):  # fmt: skip
        assert part in text, part


def test_page_without_texts_curves_and_confusion_is_whole() -> None:
    """A frozen model was not trained, several labels have no confusion, and texts may be private."""
    training = {name: TRAINING[name] for name in ("trainable_parameters", "total_parameters", "precision", "device")}
    text = Elements(page(None, {**training, "learning_rates": []})).text
    assert "Texts were left out" in text
    assert "Confusion" not in text
    assert "Training loss" not in text


@pytest.mark.parametrize(
    "points",
    [[(1, 0.5)], [(1, 0.5), (2, 0.5)], [(1, -3.0), (9e6, 4e5)], [(1, 1e-7), (2, 3e-7)], [(1, None), (2, 1.0)]],
    ids=["one", "level", "huge", "tiny", "gap"],
)
def test_chart_of_any_points_is_well_formed_and_within_its_frame(points: list[tuple[float, float | None]]) -> None:
    """Whatever a training does, the page opens."""
    root = ElementTree.fromstring(line_chart({"<a&b>": points}, "<t>", {1: "<m>"}))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    drawn = [pair.split(",") for line in root.iter("polyline") for pair in line.attrib["points"].split()]
    assert len(drawn) == sum(y is not None for _, y in points)
    assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in drawn)


def test_chart_of_nothing_is_nothing() -> None:
    """No empty frame that looks like a bug."""
    assert line_chart({"a": [(1, None)], "b": []}, "t") == ""


def test_reliability_chart_has_a_bar_for_each_bin() -> None:
    """With what it counts as its title."""
    bins = reliability(np.array([[0.95, 0.05], [0.3, 0.7]]), np.array([0, 0]))
    root = ElementTree.fromstring(reliability_chart(bins, "t"))
    assert len(list(root.iter("rect"))) == 2
