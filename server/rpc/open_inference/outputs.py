"""Outputs of a model as the protocol's tensors: which there are, which are asked for, and their contents. Pure."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.batching.scheduler import Answer
from server.engines.engine import Floats
from server.models.snapshot import Snapshot
from server.rpc.answer_sizes import ANSWER_BYTES, FLOAT_BYTES, LABEL_BYTES
from server.rpc.open_inference.text_input import BYTES
from server.rpc.open_inference.v2 import inference_pb2
from server.rpc.requests import refuse
from server.rpc.responses import labels_over_thresholds, shape_embedding
from shared.errors import Violation

EMBEDDING = "embedding"
FP32 = "FP32"
#: Of an output beside its name and contents: type, shape, tags and lengths.
OUTPUT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Output:
    """One tensor that a version can give. `task` is its index in the manifest; None: the embedding."""

    name: str
    datatype: str
    #: Behind the number of sentences.
    width: tuple[int, ...]
    task: int | None = None


def outputs_of(snapshot: Snapshot) -> list[Output]:
    """All outputs of a version, in the order of its tasks, the embedding last."""
    found = []
    for index, task in enumerate(snapshot.manifest.tasks):
        # Of a multi-label task a JSON list of those over their thresholds.
        found.append(Output(f"{task.name}.label{'s' * task.is_multi_label}", BYTES, (), index))
        found.append(Output(f"{task.name}.scores", FP32, (len(task.labels),), index))
    return [*found, Output(EMBEDDING, FP32, (snapshot.manifest.dimensions,))]


def needs_of(request: inference_pb2.ModelInferRequest) -> tuple[tuple[str, ...] | None, bool]:
    """Tasks as in `Wish` (empty: all; None: none), and whether an embedding is asked for. All where none is named."""
    if not request.outputs:
        return (), True
    names = {output.name for output in request.outputs}
    tasks = {name.rpartition(".")[0] for name in names - {EMBEDDING}}
    return tuple(sorted(tasks)) or None, EMBEDDING in names


def select_outputs(request: inference_pb2.ModelInferRequest, snapshot: Snapshot) -> list[Output]:
    """The outputs asked for, in that order; all where none is named.

    Raises:
        InvalidInputError: naming each output that this version has not, and each that would need an extension.
    """
    known = {output.name: output for output in outputs_of(snapshot)}
    found = []
    for index, wanted in enumerate(request.outputs):
        if wanted.name not in known:
            names = ", ".join(known)
            hint = f"version {snapshot.version} has no output {wanted.name!r}; it has {names}"
            found.append(Violation(f"outputs[{index}].name", hint))
        elif wanted.name in (other.name for other in request.outputs[:index]):
            found.append(Violation(f"outputs[{index}].name", f"{wanted.name!r} is named twice"))
        extensions = sorted({"classification", "shared_memory_region"} & set(wanted.parameters))
        found += [Violation(f"outputs[{index}].parameters", f"{name} is not offered") for name in extensions]
    refuse(found)
    return [known[wanted.name] for wanted in request.outputs] or list(known.values())


def infer_response(
    request: inference_pb2.ModelInferRequest, snapshot: Snapshot, outputs: Sequence[Output], answer: Answer
) -> inference_pb2.ModelInferResponse:
    """The answer, raw if the request was."""
    is_raw = bool(request.raw_input_contents)
    response = inference_pb2.ModelInferResponse(
        model_name=request.model_name, model_version=str(snapshot.version), id=request.id
    )
    response.parameters["artifact_id"].string_param = snapshot.manifest.artifact_id
    response.parameters["encoder_id"].string_param = snapshot.manifest.encoder_id
    response.parameters["num_truncated"].int64_param = sum(item.truncated for item in answer.tokens)
    for output in outputs:
        tensor = response.outputs.add(
            name=output.name, datatype=output.datatype, shape=[len(answer.rows), *output.width]
        )
        if output.datatype == BYTES:
            labels = _labels(snapshot, output, answer)
            if is_raw:
                response.raw_output_contents.append(b"".join(struct.pack("<I", len(x)) + x for x in labels))
            else:
                tensor.contents.bytes_contents.extend(labels)
            continue
        if output.task is not None:
            tensor.parameters["labels"].string_param = json.dumps(snapshot.manifest.tasks[output.task].labels)
        values = _values(snapshot, output, answer)
        if is_raw:
            response.raw_output_contents.append(np.ascontiguousarray(values, "<f4").tobytes())
        else:
            tensor.contents.fp32_contents.extend(values.ravel().tolist())
    return response


def answer_bytes(
    request: inference_pb2.ModelInferRequest, snapshot: Snapshot, outputs: Sequence[Output]
) -> tuple[int, int]:
    """What `infer_response` takes at most: for each sentence, and once."""
    each, once = 0, ANSWER_BYTES + len(request.id.encode()) + len(request.model_name)
    for output in outputs:
        once += OUTPUT_BYTES + len(output.name.encode())
        if output.datatype == FP32:
            each += FLOAT_BYTES * math.prod(output.width)
        if output.task is None:
            continue
        task = snapshot.manifest.tasks[output.task]
        if output.datatype == FP32:
            once += len(json.dumps(task.labels))
        elif task.is_multi_label:
            each += LABEL_BYTES + len(json.dumps(task.labels, ensure_ascii=False).encode())
        else:
            each += LABEL_BYTES + max((len(label.encode()) for label in task.labels), default=0)
    return each, once


def _scores(snapshot: Snapshot, task: int, answer: Answer) -> Floats:
    start = snapshot.columns.starts[task]
    width = len(snapshot.manifest.tasks[task].labels)
    return np.stack([row.scores_C[start : start + width] for row in answer.rows])


def _labels(snapshot: Snapshot, output: Output, answer: Answer) -> list[bytes]:
    assert output.task is not None
    task, scores = snapshot.manifest.tasks[output.task], _scores(snapshot, output.task, answer)
    if task.is_multi_label:
        return [json.dumps(labels_over_thresholds(task, row), ensure_ascii=False).encode() for row in scores.tolist()]
    return [task.labels[best].encode() for best in scores.argmax(axis=1)]


def _values(snapshot: Snapshot, output: Output, answer: Answer) -> Floats:
    if output.task is None:
        return np.stack([shape_embedding(row.pooled_H, 0, True) for row in answer.rows])
    return _scores(snapshot, output.task, answer)
