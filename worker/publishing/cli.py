"""`python -m worker.publishing base | export | import | delete`; the last three are also `polyhead models ...`.

Owns arguments and exit codes: 0 done, 1 not possible, 2 wrong usage. Results go to stdout, errors to stderr in one
line. The environment is read here only (STORE_URL).
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from shared.errors import CorruptArtifactError, InvalidInputError, PolyheadError, SchemaVersionError, StoreError
from shared.store.folder import FolderStore, open_store
from worker.publishing.deletion import delete_version
from worker.publishing.transfer import export_version, import_version

app = typer.Typer(
    help="Move versions between stores, and delete them. Runs beside the store; needs no server.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StoreUrl = Annotated[
    str, typer.Option(envvar="STORE_URL", help="Folder (or file:// URL) of the store.", show_default=True)
]
Version = Annotated[int, typer.Argument(min=1, help="The version's number; see `polyhead models list`.")]
OutFile = Annotated[Path | None, typer.Option("--out", "-o", help="The file to write.", show_default="version-N.tar")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_STORE = ".polyhead/store"


@app.command("export")
def export(
    version: Version,
    out: OutFile = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    store_url: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Write a version into one file: a tar with weights, tokenizer, labels and the hash of every part.

    Example: polyhead models export 3 -o reviews.tar
    """
    target = out or Path(f"version-{version}.tar")
    manifest = export_version(_store(store_url), version, target, force)
    _tell(
        {"version": version, "artifact_id": manifest.artifact_id, "file": str(target), "bytes": target.stat().st_size},
        f"version {version} (artifact {manifest.artifact_id}) written to {target}",
        as_json,
    )


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `export` wrote.")],
    store_url: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Read a version from a file into the store. Every hash is verified before anything is written.

    The version is not released: `polyhead models promote N` serves it. The same file again is the same version.
    A store that is not there is made.

    Example: polyhead models import reviews.tar
    """
    store = open_store(store_url)
    is_new_store = not store.root.exists()
    try:
        done = import_version(store, file)
    except (CorruptArtifactError, SchemaVersionError):  # the file's fault, and said so
        raise
    except StoreError as error:
        raise StoreError(f"store {store.root}: {error}; --store-url or STORE_URL name another") from error
    words = "imported as" if done.is_new else "is there already as"
    if is_new_store:
        print(f"made a new store at {store.root}", file=sys.stderr, flush=True)
    _tell(
        {"version": done.version, "artifact_id": done.manifest.artifact_id, "is_new": done.is_new},
        f"{file} {words} version {done.version}; serve it with: polyhead models promote {done.version}",
        as_json,
    )


@app.command()
def delete(
    version: Version,
    why: Annotated[str, typer.Option(help="The reason, for people who read the releases later.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Also the version that servers fall back to.")] = False,
    store_url: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Delete a version that nothing names any more: not stable, no canary, no alias.

    The version that was stable before is kept too: servers fall back to it. --force deletes it.

    Its number stays in the list, its files go. If it was interrupted, the same command does what is left.

    Example: polyhead models delete 2
    """
    done = delete_version(_store(store_url), version, why, _me(), force)
    words = f"version {version} is deleted" if done.release else f"version {version} was deleted before"
    files = f"; removed the files of {', '.join(done.artifacts)}" if done.artifacts else ""
    _tell({"version": version, "release": done.release, "removed": list(done.artifacts)}, words + files, as_json)


@app.command(hidden=True)
def base(store_url: Annotated[str, typer.Option()], base_model: Annotated[str, typer.Option()]) -> None:
    """Make the artifact of the base encoder without heads; print its id and its manifest's hash. For the worker."""
    from worker.publishing.base_artifact import write_base_artifact  # torch

    try:
        print(write_base_artifact(open_store(store_url), base_model).model_dump_json(), flush=True)
    except PolyheadError as error:
        print(" ".join(str(error).split()), file=sys.stderr)  # the worker repeats this line in its log
        raise typer.Exit(1) from None


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="polyhead models")
    except PolyheadError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def _store(url: str) -> FolderStore:
    store = open_store(url)
    if not store.root.is_dir():
        raise InvalidInputError(f"there is no store at {store.root}; name it with --store-url or STORE_URL")
    return store


def _tell(body: dict[str, object], line: str, as_json: bool) -> None:
    print(json.dumps(body, indent=2) if as_json else line, flush=True)


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "polyhead"
