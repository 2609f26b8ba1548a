"""`python -m worker.data fetch | check | split`, also started by `polyhead data`.

Owns arguments, progress and exit codes: 0 fine, 1 a problem with the data or its source, 2 wrong usage. Tables and JSON
go to stdout, progress and errors to stderr. The environment is read here only (DATA_MIRROR, WORKER_DATA_ROOTS).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from shared.errors import PolyheadError
from shared.spec import DataSpec, SplitSpec
from worker.data.catalogue import DEFAULT_CATALOGUE, load_catalogue
from worker.data.dividing import divide, write_division
from worker.data.downloads import Downloader, OnBytes
from worker.data.fetching import Fetcher
from worker.data.hints import recipe_hint
from worker.data.inspecting import inspect
from worker.data.tables import catalogue_table, fetched_table, report_table, split_table
from worker.data.targets import FileOptions, Loaded, load_named
from worker.data.tokens import default_tokenizer

FETCHED = Path("data/fetched")
#: The worker's own default; its process starts in the checkout's folder.
DATA_ROOTS = str(Path(__file__).parents[2] / "data")
EXIT_PROBLEM = 1

app = typer.Typer(
    help="Get public data sets, look at data before training on it, and split it without leaks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

CatalogueOption = Annotated[Path, typer.Option(help="The catalogue to use.", show_default="data/catalogue.toml")]
MirrorOption = Annotated[
    Path | None,
    typer.Option(envvar="DATA_MIRROR", help="A folder that holds the data sets already, in the catalogue's layout."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of a table.")]
PresetOption = Annotated[str, typer.Option(help="A known layout: tweet-sentiment or hate-speech-curated.")]
FormatOption = Annotated[str, typer.Option("--format", help="auto, csv, tsv, jsonl, parquet or tweeteval.")]
TextOption = Annotated[str, typer.Option(help="The column with the texts.")]
LabelOption = Annotated[str, typer.Option(help="The column with the labels.")]
MapOption = Annotated[
    list[str] | None, typer.Option("--label-map", metavar="VALUE=LABEL", help="What a value means; may be repeated.")
]
RootsOption = Annotated[
    str,
    typer.Option(
        envvar="WORKER_DATA_ROOTS",
        help="The worker's data roots, separated as in PATH: where paths in a recipe begin.",
        show_default="data of the checkout",
    ),
]
EncodingOption = Annotated[str, typer.Option(help="auto, or a Python codec name such as latin-1.")]


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Names from --list.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show what the catalogue has.")] = False,
    to: Annotated[Path, typer.Option(help="The folder to fill.")] = FETCHED,
    mirror: MirrorOption = None,
    force: Annotated[bool, typer.Option(help="Get files again that are there.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Longest silence of a server, in seconds.")] = 30.0,
    attempts: Annotated[int, typer.Option(min=1, help="Connections to try for one file.")] = 4,
    catalogue: CatalogueOption = DEFAULT_CATALOGUE,
    as_json: JsonOption = False,
) -> None:
    """Get data sets from a mirror folder, else from their public address.

    A broken download goes on where it stopped. A checksum in the catalogue is verified; what was seen is noted in
    fetched.json. Files that need a login are not downloaded: the message says where to get them and where to put them.

    Example: polyhead data fetch tweeteval-sentiment tweeteval-hate
    """
    known = load_catalogue(catalogue)
    if show_list:
        if as_json:
            _print_json([dataset.model_dump(mode="json", exclude={"files"}) for dataset in known.dataset])
        else:
            _out().print(catalogue_table(known))
        return
    if not names:
        raise typer.BadParameter("name at least one data set, or use --list", param_hint="NAME")
    datasets = [known.named(name) for name in names]
    downloader = Downloader(timeout_s=timeout, attempts=attempts)
    with _FetchProgress() as progress:
        fetcher = Fetcher(target=to, mirror=mirror, downloader=downloader, on_file=progress.on_file)
        files = [file for dataset in datasets for file in fetcher.fetch(dataset, force=force)]
    if as_json:
        _print_json([asdict(file) for file in files])
        return
    _out().print(fetched_table(files))
    for dataset in datasets:
        if dataset.stands_in_for:
            original = dataset.stands_in_for
            _say(f"note: {dataset.name} stands in for {original}; figures on it are not figures on {original}")


@app.command()
def check(
    data: Annotated[
        list[str] | None, typer.Argument(metavar="DATA", help="Files, TweetEval folders or catalogue names.")
    ] = None,
    train: Annotated[str, typer.Option(help="The training file; the same as naming it first.")] = "",
    validation: Annotated[str, typer.Option(help="Its validation file.")] = "",
    test: Annotated[str, typer.Option(help="Its test file.")] = "",
    preset: PresetOption = "",
    kind: FormatOption = "auto",
    text_column: TextOption = "text",
    label_column: LabelOption = "label",
    label_map: MapOption = None,
    encoding: EncodingOption = "auto",
    tokenizer: Annotated[
        Path | None, typer.Option(help="A tokenizer.json.", show_default="that of all-MiniLM-L6-v2")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Exit with 1 on leakage, conflicts or missing labels.")] = False,
    fetched: Annotated[Path, typer.Option(help="Where fetch put its files.")] = FETCHED,
    mirror: MirrorOption = None,
    catalogue: CatalogueOption = DEFAULT_CATALOGUE,
    as_json: JsonOption = False,
) -> None:
    """Look at data before training on it: rows, labels, lengths in tokens, repeats, leakage between splits.

    Rows that training would drop are counted by reason. Near-duplicates are texts whose character 5-grams overlap by
    0.8 or more (Jaccard) once links and mentions are made equal.

    Example: polyhead data check --train train.csv --test test.csv --preset tweet-sentiment
    """
    names = [*([train] if train else []), *(data or [])]
    if not names:
        raise typer.BadParameter("name a file, a folder or a catalogue name", param_hint="DATA")
    if len(names) > 1 and (validation or test):
        raise typer.BadParameter("--validation and --test go with one training file", param_hint="DATA")
    options = _file_options(preset, kind, text_column, label_column, label_map, encoding, validation, test)
    tokenizer_file = tokenizer or default_tokenizer()
    reports = {}
    for name in names:
        loaded = _load(name, options, catalogue, fetched, mirror)
        reports[name] = inspect(loaded.tables, loaded.decoder, tokenizer_file, _say)
    if as_json:
        _print_json({name: {**asdict(report), "findings": report.findings} for name, report in reports.items()})
    else:
        for report in reports.values():
            _out().print(report_table(report))
    if strict and any(report.findings for report in reports.values()):
        raise typer.Exit(EXIT_PROBLEM)


@app.command()
def split(
    data: Annotated[str, typer.Argument(metavar="FILE", help="The file to split (or a catalogue name).")],
    to: Annotated[Path, typer.Option(help="The folder for train.csv, validation.csv, test.csv and split.json.")],
    validation: Annotated[float, typer.Option(help="Share for validation.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share for test.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same split.")] = 13,
    preset: PresetOption = "",
    kind: FormatOption = "auto",
    text_column: TextOption = "text",
    label_column: LabelOption = "label",
    label_map: MapOption = None,
    encoding: EncodingOption = "auto",
    force: Annotated[bool, typer.Option(help="Overwrite a split that is there.")] = False,
    data_roots: RootsOption = DATA_ROOTS,
    fetched: Annotated[Path, typer.Option(help="Where fetch put its files.")] = FETCHED,
    mirror: MirrorOption = None,
    catalogue: CatalogueOption = DEFAULT_CATALOGUE,
    as_json: JsonOption = False,
) -> None:
    """Split a file into train, validation and test, each label with its share, near-duplicates always on one side.

    Example: polyhead data split reviews.csv --to data/reviews
    """
    options = _file_options(preset, kind, text_column, label_column, label_map, encoding)
    try:
        shares = SplitSpec(validation=validation, test=test, seed=seed)
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(first["msg"], param_hint=f"--{first['loc'][0]}") from None
    loaded = _load(data, options, catalogue, fetched, mirror)
    table = loaded.tables.get("train") or next(iter(loaded.tables.values()))
    division = divide(table, loaded.decoder, shares, _say)
    record = write_division(division, to, force=force)
    if as_json:
        _print_json(record)
        return
    _out().print(split_table(division.counts, dict(division.dropped)))
    roots = [Path(root) for root in data_roots.split(os.pathsep) if root]
    _say(f"written; {recipe_hint(to, list(division.parts), roots)}")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="polyhead data")
    except PolyheadError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(EXIT_PROBLEM)
    sys.exit(0)


def _load(name: str, options: FileOptions, catalogue: Path, fetched: Path, mirror: Path | None) -> Loaded:
    folders = [fetched, *([mirror] if mirror else [])]
    return load_named(name, options, load_catalogue(catalogue), folders, _say)


def _file_options(
    preset: str,
    kind: str,
    text_column: str,
    label_column: str,
    label_map: list[str] | None,
    encoding: str,
    validation: str = "",
    test: str = "",
) -> FileOptions:
    if preset and label_map:
        raise typer.BadParameter("a preset has its own meanings; leave one of both out", param_hint="--label-map")
    meanings = {}
    for item in label_map or []:
        value, separator, label = item.partition("=")
        if not separator or not label:
            raise typer.BadParameter(f"{item!r} is not VALUE=LABEL", param_hint="--label-map")
        meanings[value] = label
    body: dict[str, Any] = {"preset": preset, "format": kind, "encoding": encoding}
    try:
        data = DataSpec.model_validate(
            {"train": "-", **body, "text_column": text_column, "label_column": label_column, "label_map": meanings}
        )
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{message} (got {first['input']!r})", param_hint=f"--{first['loc'][0]}") from None
    return FileOptions(validation=validation, test=test, data=data, label_map=meanings)


class _FetchProgress:
    """Bars on a terminal, one line a file elsewhere."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bars = Progress(*columns, console=Console(stderr=True))

    def __enter__(self) -> _FetchProgress:
        (self._bars or nullcontext()).__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._bars:
            self._bars.stop()

    def on_file(self, name: str) -> OnBytes:
        bars = self._bars
        if bars is None:
            _say(name)
            return lambda done, total: None
        task = bars.add_task(name, total=None)
        return lambda done, total: bars.update(task, completed=done, total=total)


def _out() -> Console:
    # A pipe has no width; 80 columns would fold the tables.
    return Console() if sys.stdout.isatty() else Console(width=160)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _print_json(body: object) -> None:
    print(json.dumps(body, indent=2, ensure_ascii=False))
