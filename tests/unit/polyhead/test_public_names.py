"""`import polyhead` is small, and what it offers is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import polyhead


def test_every_public_name_can_be_imported() -> None:
    """The names are loaded when first used, so a wrong home would show up only at a caller's."""
    for name in polyhead.__all__:
        assert getattr(polyhead, name) is not None
    assert set(polyhead.__all__) <= set(dir(polyhead))


def test_unknown_name_raises_attribute_error() -> None:
    """hasattr() and typing errors must work as with any module."""
    with pytest.raises(AttributeError, match="Klient"):
        _ = polyhead.Klient  # type: ignore[attr-defined]


def test_client_imports_neither_torch_nor_the_command_line() -> None:
    """The wheel is installed beside other clients: gRPC and protobuf only."""
    code = (
        "import sys, polyhead; polyhead.Client, polyhead.AsyncClient;"
        "heavy = 'torch numpy typer rich yaml server worker shared'.split();"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
