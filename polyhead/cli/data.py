"""`polyhead data ...`: uploads speak to the server; the rest is `python -m worker.data`, which this process becomes."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from polyhead.checkout import checkout_root, child_environment
from polyhead.cli import uploads

#: Everything after `data`, even --help, belongs to worker.data.
SETTINGS: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    "add_help_option": False,
}


def data(context: typer.Context) -> None:
    """Upload files to train on; fetch, check and split data sets (from a checkout; see `polyhead data --help`)."""
    if context.args[:1] in (["upload"], ["uploads"]):
        uploads.app(context.args, prog_name="polyhead data", obj=context.obj)
    root = checkout_root()
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "worker.data", *context.args], child_environment(root))
