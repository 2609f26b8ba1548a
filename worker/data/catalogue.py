"""The catalogue of data sets: what is known about each, read from data/catalogue.toml and checked. Fetches nothing."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from shared.errors import DataError
from shared.spec import DataSpec, Label, TaskSpec
from worker.data.presets import PRESETS, preset_named

#: Beside the code in a checkout and in an image.
DEFAULT_CATALOGUE = Path(__file__).parents[2] / "data" / "catalogue.toml"


def _stays_below(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value:
        raise ValueError(f"must be a relative path without `..`: {value!r}")
    return value


RelativePath = Annotated[str, StringConstraints(min_length=1), AfterValidator(_stays_below)]
WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CatalogueFile(_Model):
    """One file: `url` is its own address (else the set's base_url + path), `member` its name inside a tar archive."""

    path: RelativePath
    url: WebAddress | None = None
    member: str | None = None
    size: Annotated[int, Field(gt=0)] | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class Dataset(_Model):
    """One data set; see the head of catalogue.toml for what the fields mean."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")]
    title: str
    page: WebAddress
    licence: str
    folder: RelativePath
    base_url: WebAddress | None = None
    login: bool = False
    stands_in_for: str | None = None
    preset: Literal["", "tweet-sentiment", "hate-speech-curated"] = ""
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "tweeteval"] = "auto"
    text_column: str = "text"
    label_column: str = "label"
    labels: tuple[Label, ...] = ()
    label_map: Mapping[str, Label] = {}
    train: str = ""
    validation: str = ""
    test: str = ""
    files: tuple[CatalogueFile, ...]

    @model_validator(mode="after")
    def _splits_are_files(self) -> Self:
        known = {file.path for file in self.files}
        for value in (self.train, self.validation, self.test):
            if value and value not in known:
                raise ValueError(f"{value!r} is not one of the files of {self.name!r}")
        return self

    @property
    def is_for_training(self) -> bool:
        """Has texts with labels, so that `check`, `split` and a task can use it."""
        return bool(self.train) or self.format == "tweeteval"

    @property
    def task_labels(self) -> tuple[str, ...]:
        """The labels in order, from the entry or its preset."""
        return self.labels or (PRESETS[self.preset].labels if self.preset else ())

    def url_of(self, file: CatalogueFile) -> str | None:
        """The public address of `file`, if it has one."""
        if file.url:
            return file.url
        return f"{self.base_url.rstrip('/')}/{file.path}" if self.base_url else None

    def task(self, name: str, *, max_rows: int = 0) -> TaskSpec:
        """A task called `name` on this set; its paths are relative to a mirror or to the folder that `fetch` fills.

        Raises:
            DataError: if the set has no labelled texts.
        """
        if not self.is_for_training:
            raise DataError(f"data set {self.name!r} is not labelled text: {self.title}")
        if self.format == "tweeteval":
            paths = {"train": self.folder}
        else:
            splits = {"train": self.train, "validation": self.validation, "test": self.test}
            paths = {split: f"{self.folder}/{file}" for split, file in splits.items() if file}
        columns = {} if self.preset else {"text_column": self.text_column, "label_column": self.label_column}
        label_map = dict(preset_named(self.preset).label_map if self.preset else self.label_map)
        data = DataSpec.model_validate(
            {
                **paths,
                **columns,
                "preset": self.preset,
                "format": self.format,
                "label_map": label_map,
                "max_rows": max_rows,
            }
        )
        return TaskSpec(name=name, labels=self.task_labels, data=data)


class Catalogue(_Model):
    """All entries, names unique."""

    dataset: tuple[Dataset, ...]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [dataset.name for dataset in self.dataset]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"named more than once: {', '.join(twice)}")
        for dataset in self.dataset:
            if dataset.stands_in_for and dataset.stands_in_for not in names:
                raise ValueError(f"{dataset.name!r} stands in for {dataset.stands_in_for!r}, which is no entry")
        return self

    def named(self, name: str) -> Dataset:
        """The entry called `name`.

        Raises:
            DataError: if there is none; suggests near names.
        """
        for dataset in self.dataset:
            if dataset.name == name:
                return dataset
        names = [dataset.name for dataset in self.dataset]
        near = difflib.get_close_matches(name, names, n=3)
        raise DataError(
            f"there is no data set {name!r} in the catalogue; "
            + (f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}")
        )


def load_catalogue(path: Path = DEFAULT_CATALOGUE) -> Catalogue:
    """Read and check the catalogue.

    Raises:
        DataError: if it cannot be read or an entry is not valid.
    """
    try:
        return Catalogue.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"the catalogue {path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"the catalogue {path} is not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"the catalogue {path} is not valid: {place}: {first['msg']}") from None
