"""The commands in one application, with the options that all of them share."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from polyhead.channel import DEFAULT_TARGET, DEFAULT_TIMEOUT_S
from polyhead.cli import artifacts, data, demo, inference, jobs, models, releases, reports, training, up
from polyhead.cli.exits import EXIT_HELP
from polyhead.cli.output import out
from polyhead.cli.session import Session

app = typer.Typer(
    name="polyhead",
    help="Train, serve and use one sentence encoder with many classification heads.",
    epilog=EXIT_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        out.print(f"polyhead {version('polyhead')}")
        raise typer.Exit()


@app.callback()
def global_options(
    context: typer.Context,
    server: Annotated[
        str, typer.Option(envvar="POLYHEAD_SERVER", help="Host and port of the server; of several, with commas.")
    ] = DEFAULT_TARGET,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that one call may take.")] = DEFAULT_TIMEOUT_S,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    context.obj = Session(server, timeout)


app.command()(inference.predict)
app.command()(inference.embed)
app.command()(training.train)
app.add_typer(jobs.app, name="jobs")
models.app.command()(reports.report)
releases.register(models.app)
artifacts.register(models.app)
app.add_typer(models.app, name="models")
app.command()(models.info)
app.command(**data.SETTINGS)(data.data)
app.command()(up.up)
app.command()(demo.demo)
