"""Bytes -> text: which encoding a file is in. Owns nothing but that decision; the readers own lines and columns."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from shared.errors import DataError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose little-endian mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Statistics get a say only where at least this share of all bytes is beyond ASCII: a Western text has a few accents
#: (the Kaggle sentiment file: 0.02 %), while in Cyrillic, Greek or CJK encodings most letters are.
_MIN_HIGH_SHARE = 0.1
#: With fewer, statistics are guesses: three curly quotes in a short file came out as Central European.
_MIN_HIGH_BYTES = 32
_SAMPLE_BYTES = 1 << 16
#: No text has these, every picture or archive does. C1 is not among them: tweets hold UTF-8 that was decoded as
#: latin-1 and encoded again (131 such characters in TweetEval's hate training file, none of C0).
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")


def decode(content: bytes, name: str, encoding: str = "auto") -> tuple[str, str]:
    """The text and the encoding that it was in. A byte order mark is not part of the text.

    Raises:
        DataError: if `content` is not in `encoding`, or no text at all; names the line.
    """
    is_guess = encoding == "auto"
    if is_guess:
        encoding = detect(content)
    elif codecs.lookup(encoding).name == "utf-8" and content.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if is_guess:
            raise _not_text(name, f"what looked like {encoding} is not valid at offset {error.start}") from None
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start : error.start + 1].hex()
        raise DataError(
            f"{name}, line {line}: byte 0x{byte} at offset {error.start} is not {encoding}; "
            "leave encoding at auto, or name the right one (for example latin-1)"
        ) from None
    control = _NOT_TEXT.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        code = ord(control.group())
        raise _not_text(name, f"line {line} holds the control character U+{code:04X} (read as {encoding})")
    return text.removeprefix("\ufeff"), encoding


def _not_text(name: str, reason: str) -> DataError:
    return DataError(
        f"{name}: is not text: {reason}; a picture, archive or spreadsheet must be exported as CSV in UTF-8 first, "
        "and a stray control character be removed"
    )


def detect(content: bytes) -> str:
    """Name the codec: a byte order mark decides, then valid UTF-8, then statistics, then Windows-1252 or latin-1."""
    for mark, codec in _BOMS:
        if content.startswith(mark):
            return codec
    if b"\0" in content[:_SAMPLE_BYTES]:
        # ASCII letters in UTF-16 have their zero byte on the odd side (little-endian) or on the even one.
        sample = content[:_SAMPLE_BYTES]
        return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return _detect_legacy(content)
    return "utf-8"


def _detect_legacy(content: bytes) -> str:
    high = content.translate(None, bytes(range(0x80)))
    if len(high) >= max(_MIN_HIGH_BYTES, _MIN_HIGH_SHARE * len(content)):
        best = from_bytes(content[:_SAMPLE_BYTES]).best()
        if best is not None and _decodes(content, best.encoding):
            return best.encoding
    # latin-1 gives 0x80..0x9f to control characters that no text has; Windows-1252 puts quotes and dashes there.
    if any(0x80 <= byte <= 0x9F for byte in set(high)) and _decodes(content, "cp1252"):
        return "cp1252"
    return "latin-1"


def _decodes(content: bytes, codec: str) -> bool:
    try:
        content.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
