"""How long the words of an error may be on the wire. Pure.

gRPC carries them as metadata, of which a client takes 8 KB by default: beyond that it reports RESOURCE_EXHAUSTED in the
place of the error itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from shared.errors import Violation

#: Of the message, which stands in the status and again in its details: together with the violations below 8 KB.
MAX_MESSAGE_BYTES = 1500
MAX_VIOLATIONS_BYTES = 4000
#: Of a message that is cut, its end is kept too: it may say how much more there is.
_TAIL = 60
_CUT = " ... "
#: Bytes on the wire of one character: four in UTF-8, three each.
_MOST_PER_CHARACTER = 12


def fitting(message: str) -> str:
    """The message, or its beginning and its end."""
    if _MOST_PER_CHARACTER * len(message) <= MAX_MESSAGE_BYTES or wire_size(message) <= MAX_MESSAGE_BYTES:
        return message
    tail = _CUT + message[-_TAIL:]
    room = MAX_MESSAGE_BYTES - wire_size(tail)
    length = sum(size <= room for size in accumulate(map(wire_size, message)))
    return message[:length] + tail


def fitting_violations(violations: Sequence[Violation]) -> Sequence[Violation]:
    """As many as fit, from the first."""
    sizes = accumulate(len(v.field.encode()) + len(v.description.encode()) + 8 for v in violations)
    return violations[: sum(size <= MAX_VIOLATIONS_BYTES for size in sizes)]


def wire_size(text: str) -> int:
    """Bytes of the text in a status: gRPC writes all but printable ASCII as %XX."""
    return sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in text.encode())
