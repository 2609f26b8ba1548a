"""`polyhead data upload | uploads`: files of this machine into the server's store. Needs no checkout."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from polyhead.cli.exits import UsageError
from polyhead.cli.output import errors_out, local_time, out, print_json
from polyhead.cli.session import connect
from polyhead.client import Client
from polyhead.results import Dataset

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

#: In a recipe, before the path of a file of this machine.
UPLOAD = "upload:"
PARTS = ("train", "validation", "test")

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("upload")
def upload(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A CSV, TSV, JSONL or Parquet file.")],
    as_json: AsJson = False,
) -> None:
    """Put a file into the server's store and print how a recipe names it.

    Sends only what is not there yet; an upload that was cut goes on where it ended.
    """
    with connect(context) as client:
        dataset = upload_file(client, file)
    if as_json:
        print_json({**_plain(dataset), "reference": dataset.reference})
    else:
        out.print(dataset.reference, soft_wrap=True)


@app.command("uploads")
def uploads(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the files in the server's store that jobs can name, newest first."""
    with connect(context) as client:
        datasets = client.list_datasets(limit)
    if as_json:
        print_json([{**_plain(dataset), "reference": dataset.reference} for dataset in datasets])
        return
    table = Table("file", "bytes", "uploaded", "reference")
    for dataset in datasets:
        table.add_row(dataset.file_name, f"{dataset.size_bytes:,}", local_time(dataset.created_at), dataset.reference)
    out.print(table)


def upload_local_files(client: Client, spec: dict[str, Any], are_paths_local: bool) -> None:
    """Upload what the spec names by `upload:PATH`, and put the references in their place.

    `are_paths_local`: a plain path that is a file of this machine is meant too; one that is none is the worker's.

    Raises:
        UsageError: if a file that must be here is not.
    """
    tasks = spec.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        data = task.get("data") if isinstance(task, dict) else None
        if not isinstance(data, dict):
            continue  # the server says what is wrong with it
        for part in PARTS:
            path = _local_path(data.get(part), are_paths_local)
            if path is not None:
                data[part] = upload_file(client, path).reference


def _local_path(value: object, are_paths_local: bool) -> Path | None:
    if not isinstance(value, str):
        return None
    if value.startswith(UPLOAD):
        return Path(value.removeprefix(UPLOAD)).expanduser()
    return Path(value) if are_paths_local and Path(value).is_file() else None


def upload_file(client: Client, path: Path) -> Dataset:
    """Upload with a bar on a terminal, or a line elsewhere.

    Raises:
        UsageError: if the file cannot be read.
    """
    try:
        with _Bar(path.name) as bar:
            dataset = client.upload_dataset(path, on_progress=bar.show)
    except OSError as error:
        raise UsageError(f"cannot upload {path}: {error.strerror}") from None
    was_there = "" if bar.is_used else " (it was there already)"
    errors_out.print(f"{path.name}: uploaded{was_there}, sha256 {dataset.sha256[:12]}…", soft_wrap=True)
    return dataset


class _Bar:
    """Bytes sent, on a terminal only."""

    def __init__(self, name: str) -> None:
        self.is_used = False
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=errors_out,
            disable=not errors_out.is_terminal,
            transient=True,
        )
        self._row = self._bar.add_task(f"uploading {name}", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, done: int, total: int) -> None:
        self.is_used = True
        self._bar.update(self._row, completed=done, total=total)


def _plain(dataset: Dataset) -> dict[str, Any]:
    names = ("sha256", "size_bytes", "file_name", "created_at")
    return {name: getattr(dataset, name) for name in names}
