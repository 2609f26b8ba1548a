"""`polyhead models export | import | delete`: hands over to `python -m worker.publishing` of the checkout.

They work on the store's files, beside the store, not through a server: an artifact is hundreds of megabytes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from polyhead.checkout import checkout_root, child_environment

#: Everything after the command's name, even --help, belongs to worker.publishing.
SETTINGS: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    "add_help_option": False,
}
COMMANDS = {
    "export": "Write a version into one file.",
    "import": "Read a version from a file into the store.",
    "delete": "Delete a version that nothing names any more.",
}


def register(app: typer.Typer) -> None:
    """Add the commands to `polyhead models`."""
    for name, help_text in COMMANDS.items():
        app.command(name, help=help_text, **SETTINGS)(_hand_over(name))


def _hand_over(name: str) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        root = checkout_root()
        sys.stdout.flush()
        command = [sys.executable, "-m", "worker.publishing", name, *context.args]
        os.execve(sys.executable, command, child_environment(root))

    return run
