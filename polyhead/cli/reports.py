"""`polyhead models report`: the page that a training leaves, as a file of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polyhead.cli.exits import UsageError
from polyhead.cli.output import out
from polyhead.cli.session import connect


def report(
    context: typer.Context,
    version: Annotated[int, typer.Argument(min=1, help="The version's number.")],
    to: Annotated[Path | None, typer.Option("--out", help="Default: report-N.html in this folder.")] = None,
) -> None:
    """Fetch a version's report: curves, confusion, reliability, worst mistakes, data. Open it in a browser."""
    target = to or Path(f"report-{version}.html")
    with connect(context) as client:
        html = client.get_report(version)
    try:
        target.write_bytes(html)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from None
    out.print(str(target), soft_wrap=True)
