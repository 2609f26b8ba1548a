"""Points in time off the wire."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def read_time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
