"""What the settings of both processes share: refusing names that nobody reads, and hiding passwords in URLs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

from shared.errors import InvalidInputError


def refuse_unknown_names(prefix: str, known: Iterable[str], environ: Mapping[str, str]) -> None:
    """Stop the start over a variable that looks like a setting and is none: it is most likely misspelt.

    Raises:
        InvalidInputError: naming each one, and the setting that it resembles.
    """
    names = sorted(known)
    complaints = []
    for name in sorted(environ):
        if name.startswith(prefix) and name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            complaints.append(f"{name} is no setting" + (f"; did you mean {close[0]}?" if close else ""))
    if complaints:
        raise InvalidInputError("; ".join(complaints) + f" Known settings: {', '.join(names)}")


def redact_url(url: str) -> str:
    """The URL with its password replaced, for logs."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
