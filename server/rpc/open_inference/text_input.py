"""The sentences of a ModelInferRequest: one BYTES tensor, in typed or in raw form. Pure."""

from __future__ import annotations

import struct

from server.rpc.open_inference.v2 import inference_pb2
from server.rpc.requests import refuse
from shared.errors import Violation

INPUT = "text"
#: Told behind the number of sentences: load tools refuse an input that has no dimension there. [N] alone is taken too.
INPUT_WIDTH = (1,)
BYTES = "BYTES"
#: Length of an element of a raw BYTES tensor.
_LENGTH = struct.Struct("<I")


def sentences_of(request: inference_pb2.ModelInferRequest) -> list[str]:
    """The text to compute, in order.

    Raises:
        InvalidInputError: with everything that is wrong with the input tensor.
    """
    if [item.name for item in request.inputs] != [INPUT]:
        names = ", ".join(repr(item.name) for item in request.inputs) or "none"
        refuse([Violation("inputs", f"must be one tensor named {INPUT!r}; there is {names}")])
    tensor = request.inputs[0]
    refuse(_check_form(tensor, request))
    if request.raw_input_contents:
        elements = _split(request.raw_input_contents[0])
        field = "raw_input_contents[0]"
    else:
        elements = list(tensor.contents.bytes_contents)
        field = "inputs[0].contents.bytes_contents"
    if len(elements) != tensor.shape[0]:
        refuse(
            [Violation(field, f"has {len(elements)} elements, the shape {list(tensor.shape)} says {tensor.shape[0]}")]
        )
    return _decode(elements, field)


def _check_form(
    tensor: inference_pb2.ModelInferRequest.InferInputTensor, request: inference_pb2.ModelInferRequest
) -> list[Violation]:
    found = []
    if tensor.datatype != BYTES:
        found.append(Violation("inputs[0].datatype", f"is {tensor.datatype!r}; use {BYTES} with UTF-8 text"))
    shape = list(tensor.shape)
    if len(shape) not in (1, 2) or shape[0] < 1 or shape[1:] not in ([], [1]):
        found.append(Violation("inputs[0].shape", f"is {shape}; use [N] or [N, 1] for N sentences, at least one"))
    num_raw = len(request.raw_input_contents)
    if num_raw > 1:
        found.append(Violation("raw_input_contents", f"has {num_raw} items; there is one input, so one item"))
    if num_raw and tensor.HasField("contents"):
        found.append(Violation("inputs[0].contents", "must be empty when raw_input_contents is used"))
    if "shared_memory_region" in tensor.parameters:
        found.append(Violation("inputs[0].parameters", "shared memory is not offered; send the text itself"))
    return found


def _split(raw: bytes) -> list[bytes]:
    elements: list[bytes] = []
    position = 0
    while position < len(raw):
        start = position + _LENGTH.size
        length = _LENGTH.unpack_from(raw, position)[0] if start <= len(raw) else len(raw)
        if start + length > len(raw):
            hint = f"ends inside element {len(elements)}; each is its length in 4 bytes, little-endian, and its bytes"
            refuse([Violation("raw_input_contents[0]", hint)])
        elements.append(raw[start : start + length])
        position = start + length
    return elements


def _decode(elements: list[bytes], field: str) -> list[str]:
    sentences, found = [], []
    for index, element in enumerate(elements):
        try:
            sentences.append(element.decode())
        except UnicodeDecodeError as error:
            found.append(Violation(f"{field}[{index}]", f"is not UTF-8: {error.reason} at byte {error.start}"))
    refuse(found)
    return sentences
