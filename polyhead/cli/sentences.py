"""Where sentences come from (arguments, a file, stdin), and how many go into one request."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from polyhead.cli.exits import UsageError
from polyhead.client import Client

#: Fewer sentences than this are sent in one request without asking for the server's limit first.
ASK_LIMIT_ABOVE = 32


def read_sentences(texts: Sequence[str] | None, file: Path | None) -> list[str]:
    """Sentences from the arguments, else from `file`, else from stdin, one a line; blank lines are left out.

    Raises:
        UsageError: if there are none, or they are not UTF-8.
    """
    if texts and file:
        raise UsageError("name sentences or --file, not both")
    if texts:
        sentences = [_checked(text) for text in texts]
    else:
        sentences = [line for line in _lines(file) if line.strip()]
    if not sentences:
        raise UsageError(f"no sentences in {file or 'stdin'}")
    return sentences


def in_requests(client: Client, sentences: Sequence[str]) -> Iterator[Sequence[str]]:
    """The sentences in portions that the server accepts."""
    size = len(sentences)
    if size > ASK_LIMIT_ABOVE:
        size = min(size, client.server_info().limits.max_sentences_per_request or size)
    for start in range(0, len(sentences), size):
        yield sentences[start : start + size]


def _checked(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"not UTF-8: {text!r}") from None
    return text


def _lines(file: Path | None) -> list[str]:
    if file is None or str(file) == "-":
        if sys.stdin.isatty():
            raise UsageError("no sentences: give them as arguments, with --file, or on stdin")
        body, name = sys.stdin.buffer.read(), "stdin"
    else:
        try:
            body, name = file.read_bytes(), str(file)
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror}") from None
    try:
        # Only line feeds end a line: tweets hold other separators that str.splitlines() would cut at.
        return [line.removesuffix("\r") for line in body.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {line}: not UTF-8 ({error.reason}); convert it first") from None
