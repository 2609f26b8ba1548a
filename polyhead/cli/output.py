"""Where the commands write: tables and lines on stdout, errors and progress on stderr, JSON for scripts."""

from __future__ import annotations

import json
import os
import sys
from array import array
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, TextIO

from rich.console import Console

#: Columns of a table that goes to a file or a pipe, where no terminal says its width.
PIPED_WIDTH = 120


def _console(file: TextIO) -> Console:
    # Sentences and labels come from people: nothing in them is markup.
    width = None if file.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


out = _console(sys.stdout)
errors_out = _console(sys.stderr)


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Write results, or plain data with results in it, as JSON."""
    sys.stdout.write(json.dumps(to_plain(value), indent=indent, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def to_plain(value: object) -> Any:
    """Results as dicts, lists and scalars."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, array):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def shorten(text: str, width: int = 60) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def local_time(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else "-"


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that is at least one: 12s, 5m, 3h, 9d."""
    if moment is None:
        return "-"
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, length_s in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length_s:
            return f"{seconds // length_s}{unit}"
    return f"{seconds}s"
