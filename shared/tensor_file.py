"""The bytes of a safetensors file as tensors that share them.

The library's own `load` copies each tensor while it holds the interpreter's lock: 26 ms for a MiniLM, in which a server
answers nothing. Layout: https://huggingface.co/docs/safetensors (8 bytes little-endian: length of the JSON header; the
header; the data, row by row).
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from shared.errors import CorruptArtifactError

_METADATA = "__metadata__"


def tensors(body: bytes, name: str) -> dict[str, Tensor]:
    """Views of `body`, float32, to be copied and never written to; `name` is for the error.

    Raises:
        CorruptArtifactError: if it is no such file, or has a value that is not a finite number.
    """
    try:
        header, data = _header(body), _data(body)
        views = {key: _view(data, entry) for key, entry in header.items() if key != _METADATA}
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CorruptArtifactError(f"{name} is not a safetensors file of float32: {error!r}") from None
    if not _is_finite(data):
        key = next((key for key, tensor in views.items() if not _is_finite(tensor)), "data of no tensor")
        raise CorruptArtifactError(f"{name}: {key} has values that are not finite numbers")
    return views


def metadata(body: bytes) -> dict[str, str]:
    """What the writer noted, of a file that `tensors` has read."""
    noted: dict[str, str] = _header(body).get(_METADATA, {})
    return noted


def _data_start(body: bytes) -> int:
    start = 8 + int.from_bytes(body[:8], "little")
    if not 8 < start <= len(body):
        raise ValueError(f"{len(body)} bytes, of which the header takes {start}")
    return start


def _header(body: bytes) -> dict[str, Any]:
    return json.loads(body[8 : _data_start(body)])  # type: ignore[no-any-return]


def _data(body: bytes) -> Tensor:
    """All values of the file, one after the other."""
    start = _data_start(body)
    if start == len(body):
        return torch.empty(0)
    # By DLPack, which does not warn of memory that is not to be written to.
    return from_dlpack(np.frombuffer(body, np.float32, offset=start))


def _view(data: Tensor, entry: dict[str, Any]) -> Tensor:
    shape, (start, end) = entry["shape"], entry["data_offsets"]
    size = math.prod(shape) * data.itemsize
    if entry["dtype"] != "F32" or start < 0 or start % data.itemsize or end != start + size or end > data.nbytes:
        raise ValueError(f"{entry} of {data.nbytes} bytes")
    return data[start // data.itemsize : end // data.itemsize].view(shape)


def _is_finite(values: Tensor) -> bool:
    """By the extremes, which are NaN if any value is: one pass, and no copy."""
    return not values.numel() or all(bool(extreme.isfinite()) for extreme in values.aminmax())
