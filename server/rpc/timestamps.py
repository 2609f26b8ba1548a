"""Times of records as messages. Pure."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(text: str) -> Timestamp:
    """A record's time, ISO 8601 in UTC."""
    moment = Timestamp()
    moment.FromJsonString(text)
    return moment
