"""The version of the code that runs, for manifests and for people."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def code_version() -> str:
    """Version of the installed polyhead package, or `unknown` in a bare checkout."""
    try:
        return version("polyhead")
    except PackageNotFoundError:
        return "unknown"
