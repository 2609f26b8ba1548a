"""Safetensors bytes as tensors: what the library writes is read as it is, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import save

from shared.errors import CorruptArtifactError
from shared.tensor_file import metadata, tensors

WRITTEN = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(2.5), "none": torch.zeros(0, 4)}


def test_values_and_metadata_are_those_that_were_written() -> None:
    body = save(WRITTEN, {"labels": "x"})
    read = tensors(body, "f")
    assert read.keys() == WRITTEN.keys()
    for name, tensor in WRITTEN.items():
        assert torch.equal(read[name], tensor)
    assert metadata(body) == {"labels": "x"}


def test_no_tensors_are_no_error() -> None:
    assert tensors(save({}), "f") == {}


def test_values_are_not_copied() -> None:
    body = save(WRITTEN)
    first = tensors(body, "f")["a.weight"]
    assert first.data_ptr() == tensors(body, "f")["a.weight"].data_ptr()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_finite_number_is_told_by_name(value: float) -> None:
    body = save({"good": torch.ones(3), "bad": torch.tensor([1.0, value])})
    with pytest.raises(CorruptArtifactError, match="f: bad has values that are not finite"):
        tensors(body, "f")


def with_header(header: Any, data: bytes = bytes(8)) -> bytes:
    told = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(told).to_bytes(8, "little") + told + data


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, Any]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00" * 8,
        (2**60).to_bytes(8, "little") + b"{}",
        save(WRITTEN)[:-1],
        save({"w": torch.ones(2, dtype=torch.float64)}),
        with_header(b"{not json"),
        with_header(b"\xff\xfe"),
        with_header([1]),
        with_header({"w": 1}),
        with_header({"w": {"dtype": "F32"}}),
        with_header(entry(shape=(3,))),
        with_header(entry(shape=(3,), offsets=(0, 12))),
        with_header(entry(shape=(-2,), offsets=(0, -8))),
        with_header(entry(shape=(2,), offsets=(-8, 0))),
        with_header(entry(shape=(1,), offsets=(2, 6))),
        with_header(entry(shape="2")),
        with_header(entry(shape=(2.0,))),
        with_header(entry(offsets=(0,))),
        with_header(entry(offsets="ab")),
        with_header(entry(), bytes(7)),
    ],
    ids=range(20),
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(CorruptArtifactError, match="f is not a safetensors file of float32"):
        tensors(body, "f")
