"""What a person names on the command line (a catalogue name, a file, a folder) -> tables with their labels.

Owns that choice for `check` and `split`. A training job's paths go through roots.resolve instead, which confines them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import DataError
from shared.spec import DataSpec, TaskSpec
from worker.data.catalogue import Catalogue, Dataset
from worker.data.labels import LabelDecoder, label_decoder, observed_decoder
from worker.data.presets import preset_task
from worker.data.readers import TWEETEVAL_PREFIXES, Split, read_table
from worker.data.roots import Source, open_source, resolve
from worker.data.rows import RawTable
from worker.data.task_files import layout_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How to read files that the catalogue does not know. `data` carries columns, preset, format, encoding."""

    validation: str = ""
    test: str = ""
    data: DataSpec
    label_map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The tables that were named, by split, and what their labels mean."""

    tables: Mapping[Split, RawTable]
    decoder: LabelDecoder


def load_named(
    name: str, options: FileOptions, catalogue: Catalogue, folders: Sequence[Path], say: Callable[[str], None]
) -> Loaded:
    """Read the file or TweetEval folder called `name`, or the catalogue's data set of that name from `folders`.

    Raises:
        DataError: if there is neither, or it cannot be read.
    """
    if Path(name).exists():
        return _load_files(name, options, say)
    if "/" in name or "." in name:
        raise DataError(f"{name}: no such file or folder")
    return _load_dataset(catalogue.named(name), folders, say)


def _load_files(name: str, options: FileOptions, say: Callable[[str], None]) -> Loaded:
    data = options.data
    tables = _read(_splits_of(open_source(Path(name))), data, say)
    named: dict[Split, str] = {"validation": options.validation, "test": options.test}
    for split, value in named.items():
        if value:
            tables.update(_read({split: open_source(Path(value))}, data, say))
    if data.preset:
        task = preset_task("data", data.preset, name)
        return Loaded(tables, label_decoder(task))
    return Loaded(tables, observed_decoder(list(tables.values()), options.label_map))


def _load_dataset(dataset: Dataset, folders: Sequence[Path], say: Callable[[str], None]) -> Loaded:
    task = dataset.task("data")
    for folder in folders:
        sources = _dataset_sources(task, folder)
        if sources:
            return Loaded(_read(sources, task.data, say), label_decoder(task))
    looked = " or ".join(str(folder / dataset.folder) for folder in folders)
    raise DataError(f"{dataset.name} is not in {looked}; get it with: polyhead data fetch {dataset.name}")


def _dataset_sources(task: TaskSpec, folder: Path) -> dict[Split, Source]:
    """The splits of a data set that are in `folder`."""
    data = task.data
    named: dict[Split, str] = {"train": data.train, "validation": data.validation, "test": data.test}
    sources: dict[Split, Source] = {}
    for split, value in named.items():
        if value and (folder / value).exists():
            source = resolve(value, [folder])
            sources.update(_splits_of(source) if source.path.is_dir() else {split: source})
    return sources


def _splits_of(source: Source) -> dict[Split, Source]:
    if not source.path.is_dir():
        return {"train": source}
    found: dict[Split, Source] = {
        split: source for split, prefix in TWEETEVAL_PREFIXES.items() if (source.path / f"{prefix}_text.txt").exists()
    }
    if not found:
        raise DataError(
            f"{source.name}: no train_text.txt, val_text.txt or test_text.txt in this folder; name a file, "
            "or a folder in the TweetEval layout"
        )
    return found


def _read(sources: Mapping[Split, Source], data: DataSpec, say: Callable[[str], None]) -> dict[Split, RawTable]:
    tables = {}
    for split, source in sources.items():
        say(f"reading {source.name} ({split})")
        tables[split] = read_table(source, layout_of(data), split)
    return tables
