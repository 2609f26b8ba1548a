"""Uploaded files off the wire."""

from __future__ import annotations

from polyhead import results
from polyhead.readers.times import read_time
from polyhead.v1 import training_pb2


def read_dataset(message: training_pb2.Dataset) -> results.Dataset:
    return results.Dataset(
        sha256=message.sha256,
        size_bytes=message.size_bytes,
        file_name=message.file_name,
        received_bytes=message.received_bytes,
        complete=message.complete,
        created_at=read_time(message.created_at) if message.HasField("created_at") else None,
    )
