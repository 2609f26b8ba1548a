"""The `polyhead` command. Owns the entry point; the commands are in the modules beside it.

Needs the extra `client` (typer, rich, pyyaml); without it, it says so.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit status (polyhead.cli.exits)."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
        import yaml  # noqa: F401
    except ModuleNotFoundError as missing:
        print(
            f"The command line needs {missing.name}, which is not installed. Try: pip install 'polyhead[client]'",
            file=sys.stderr,
        )
        return 2
    from polyhead.cli.app import app
    from polyhead.cli.exits import run

    return run(app)
