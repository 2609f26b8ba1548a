"""Named layouts of public data sets: columns, label map and known quirks, so that a job names just the preset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import DataError
from shared.spec import DataSpec, TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One data set's layout. `stray_labels` are values that mark a row as no row at all."""

    text_column: str
    label_column: str
    labels: tuple[str, ...]
    label_map: Mapping[str, str]
    stray_labels: frozenset[str] = frozenset()


PRESETS: Mapping[str, Preset] = {
    # https://www.kaggle.com/datasets/abhi8923shriv/sentiment-analysis-dataset
    "tweet-sentiment": Preset(
        text_column="text",
        label_column="sentiment",
        labels=("negative", "neutral", "positive"),
        label_map={label: label for label in ("negative", "neutral", "positive")},
    ),
    # https://www.kaggle.com/datasets/waalbannyantudre/hate-speech-detection-curated-dataset
    # A header row that was pasted in several times leaves rows whose label is the word "Label".
    "hate-speech-curated": Preset(
        text_column="Content",
        label_column="Label",
        labels=("not_hate", "hate"),
        label_map={"0": "not_hate", "1": "hate"},
        stray_labels=frozenset({"Label"}),
    ),
}


def preset_named(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        DataError: if there is none.
    """
    if name not in PRESETS:
        raise DataError(f"there is no preset {name!r}; the presets are: {', '.join(PRESETS)}")
    return PRESETS[name]


def preset_task(name: str, preset: str, train: str, *, validation: str = "", test: str = "") -> TaskSpec:
    """A task called `name` on files in the layout of `preset`, with all the preset's labels."""
    data = DataSpec.model_validate({"train": train, "validation": validation, "test": test, "preset": preset})
    return TaskSpec(name=name, labels=preset_named(preset).labels, data=data)
