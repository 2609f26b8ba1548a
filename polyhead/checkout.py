"""Finds the checkout that this package runs from: server, worker and shared are not in the wheel."""

from __future__ import annotations

import os
from pathlib import Path

from polyhead.errors import PolyheadError


class NoCheckoutError(PolyheadError):
    """The command needs server and worker, and this is an installed client alone."""


def checkout_root() -> Path:
    """
    Raises:
        NoCheckoutError: if server and worker are not beside this package.
    """
    root = Path(__file__).resolve().parents[1]
    if not all((root / room / "__init__.py").exists() for room in ("server", "worker", "shared")):
        raise NoCheckoutError(
            "this command needs the server's or the worker's code, which runs from a checkout of Polyhead; "
            f"there is none at {root}"
        )
    return root


def child_environment(root: Path) -> dict[str, str]:
    """This process's environment, with the checkout importable by `python -m`."""
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
