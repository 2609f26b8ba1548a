"""`polyhead models list | show | info` and `polyhead info`."""

from __future__ import annotations

from typing import Annotated

import typer

from polyhead.cli.output import out, print_json
from polyhead.cli.session import connect
from polyhead.cli.tables import metrics_table, server_table, versions_table

app = typer.Typer(help="Model versions, and which of them answers whom.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_versions(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List published versions, newest first."""
    with connect(context) as client:
        versions = client.list_versions(limit)
        if as_json:
            print_json(versions)
        else:
            out.print(versions_table(versions, client.server_info()))


@app.command()
def show(
    context: typer.Context,
    version: Annotated[int, typer.Argument(min=1, help="The version's number.")],
    as_json: AsJson = False,
) -> None:
    """Show one version: its roles, origin and figures."""
    with connect(context) as client:
        found = client.get_version(version)
        if as_json:
            print_json(found)
            return
        out.print(versions_table([found], client.server_info()))
    out.print(f"artifact  {found.artifact_id}\nmanifest  sha256 {found.manifest_sha256}", soft_wrap=True)
    if found.metrics:
        out.print(metrics_table(found.metrics))


@app.command("info")
def info(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the server, the model it serves and its limits."""
    with connect(context) as client:
        answer = client.server_info()
    if as_json:
        print_json(answer)
    else:
        out.print(server_table(answer))
