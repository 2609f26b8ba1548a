"""`polyhead data ...`: hands its arguments to `python -m worker.data` of the checkout and becomes that process."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from polyhead.checkout import checkout_root, child_environment

#: Everything after `data`, even --help, belongs to worker.data.
SETTINGS: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    "add_help_option": False,
}


def data(context: typer.Context) -> None:
    """Fetch, check and split data sets (runs from a checkout; see `polyhead data --help`)."""
    root = checkout_root()
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "worker.data", *context.args], child_environment(root))
