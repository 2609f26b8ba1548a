"""GRPCInferenceService: one model named `polyhead`, on the same path as Predict and Embed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc

from polyhead.v1 import inference_pb2 as polyhead_pb2
from server.models.manager import ModelManager
from server.models.policy import STABLE
from server.models.routing import Wish
from server.models.snapshot import Snapshot
from server.rpc import requests
from server.rpc.answer_sizes import check_answer
from server.rpc.inference import InferenceServicer, deadline_of
from server.rpc.open_inference.outputs import FP32, answer_bytes, infer_response, needs_of, outputs_of, select_outputs
from server.rpc.open_inference.text_input import BYTES, INPUT, INPUT_WIDTH, sentences_of
from server.rpc.open_inference.v2 import inference_pb2, inference_pb2_grpc
from shared.errors import NotFoundError, PolyheadError, Violation

Context = grpc.aio.ServicerContext[Any, Any]

MODEL_NAME = "polyhead"
#: In the form that the specification asks for, <project>_<format>. It is information only.
PLATFORM = "pytorch_safetensors"
#: Of a request.
PARAMETERS = ("expect_encoder_id", "routing_key", "truncation")
#: What perf_analyzer says to Triton alone (`triton_enable_empty_final_response`) is passed over.
HINT = "triton_"
#: By the names of Triton's extensions, as its server tells them.
EXTENSIONS = ("model_configuration",)
_DATA_TYPES = {BYTES: inference_pb2.TYPE_STRING, FP32: inference_pb2.TYPE_FP32}
_TRUNCATIONS: dict[str, int] = {
    "": polyhead_pb2.TRUNCATION_UNSPECIFIED,
    "truncate": polyhead_pb2.TRUNCATION_TRUNCATE,
    "refuse": polyhead_pb2.TRUNCATION_REFUSE,
}


class OpenInferenceServicer(inference_pb2_grpc.GRPCInferenceServiceServicer):
    """`is_ready` says whether inference serves now. Errors are raised, as in the other servicers."""

    def __init__(
        self,
        models: ModelManager,
        inference: InferenceServicer,
        limits: requests.Limits,
        server_version: str,
        is_ready: Callable[[], bool],
    ) -> None:
        self._models = models
        self._inference = inference
        self._limits = limits
        self._server_version = server_version
        self._is_ready = is_ready

    async def ServerLive(
        self, request: inference_pb2.ServerLiveRequest, context: Context
    ) -> inference_pb2.ServerLiveResponse:
        return inference_pb2.ServerLiveResponse(live=True)

    async def ServerReady(
        self, request: inference_pb2.ServerReadyRequest, context: Context
    ) -> inference_pb2.ServerReadyResponse:
        return inference_pb2.ServerReadyResponse(ready=self._is_ready())

    async def ModelReady(
        self, request: inference_pb2.ModelReadyRequest, context: Context
    ) -> inference_pb2.ModelReadyResponse:
        try:
            self._described(request.name, request.version)
        except PolyheadError:
            return inference_pb2.ModelReadyResponse(ready=False)
        return inference_pb2.ModelReadyResponse(ready=self._is_ready())

    async def ServerMetadata(
        self, request: inference_pb2.ServerMetadataRequest, context: Context
    ) -> inference_pb2.ServerMetadataResponse:
        return inference_pb2.ServerMetadataResponse(
            name=MODEL_NAME, version=self._server_version, extensions=EXTENSIONS
        )

    async def ModelMetadata(
        self, request: inference_pb2.ModelMetadataRequest, context: Context
    ) -> inference_pb2.ModelMetadataResponse:
        snapshot = self._described(request.name, request.version)
        versions = [snapshot.version] if request.version else sorted(self._models.routes.snapshots())
        tensor = inference_pb2.ModelMetadataResponse.TensorMetadata
        return inference_pb2.ModelMetadataResponse(
            name=MODEL_NAME,
            versions=[str(version) for version in versions],
            platform=PLATFORM,
            inputs=[tensor(name=INPUT, datatype=BYTES, shape=[-1, *INPUT_WIDTH])],
            outputs=[
                tensor(name=output.name, datatype=output.datatype, shape=[-1, *output.width])
                for output in outputs_of(snapshot)
            ],
        )

    async def ModelConfig(
        self, request: inference_pb2.ModelConfigRequest, context: Context
    ) -> inference_pb2.ModelConfigResponse:
        outputs = outputs_of(self._described(request.name, request.version))
        return inference_pb2.ModelConfigResponse(
            config=inference_pb2.ModelConfig(
                name=MODEL_NAME,
                platform=PLATFORM,
                max_batch_size=self._limits.max_sentences_per_request,
                input=[inference_pb2.ModelInput(name=INPUT, data_type=_DATA_TYPES[BYTES], dims=INPUT_WIDTH)],
                output=[
                    inference_pb2.ModelOutput(name=item.name, data_type=_DATA_TYPES[item.datatype], dims=item.width)
                    for item in outputs
                ],
                dynamic_batching=inference_pb2.ModelDynamicBatching(),
            )
        )

    async def ModelInfer(
        self, request: inference_pb2.ModelInferRequest, context: Context
    ) -> inference_pb2.ModelInferResponse:
        requests.refuse(_check_parameters(request))
        sentences = sentences_of(request)
        truncation = _truncation(request)
        found = requests.check_sentences(sentences, truncation, self._limits)
        requests.refuse([Violation(INPUT + v.field.removeprefix("sentences"), v.description) for v in found])
        wish = _infer_wish(request)
        snapshot = self._models.acquire(wish)
        requests.check_encoder(wish.expect_encoder_id, snapshot)
        outputs = select_outputs(request, snapshot)
        sentence_bytes, once_bytes = answer_bytes(request, snapshot, outputs)
        check_answer(len(sentences), sentence_bytes, self._limits, INPUT, once_bytes)
        answer = await self._inference.run(snapshot, sentences, truncation, deadline_of(context))
        return infer_response(request, snapshot, outputs, answer)

    def _described(self, name: str, version: str) -> Snapshot:
        """Without a version the stable one: what is told of the model must not change with the draw of a canary."""
        snapshot, _ = self._models.find(_wish(name, version or STABLE))
        return snapshot


def _infer_wish(request: inference_pb2.ModelInferRequest) -> Wish:
    """As for Predict: what the named outputs need decides whether the canary can answer."""
    tasks, wants_embedding = needs_of(request)
    return replace(
        _wish(request.model_name, request.model_version),
        routing_key=request.parameters["routing_key"].string_param,
        expect_encoder_id=request.parameters["expect_encoder_id"].string_param,
        tasks=tasks,
        wants_embedding=wants_embedding,
    )


def _wish(name: str, version: str) -> Wish:
    """`version` is a number, an alias, or empty.

    Raises:
        NotFoundError: if the model's name is not ours.
    """
    if name != MODEL_NAME:
        raise NotFoundError(f"no model {name!r}; this server has one, named {MODEL_NAME!r}")
    is_number = version.isascii() and version.isdigit() and len(version) < 10
    if is_number and version.startswith("0"):
        requests.refuse([Violation("model_version", f"is {version!r}; versions are numbered from 1")])
    return Wish(version=int(version) if is_number else 0, alias="" if is_number else version)


def _check_parameters(request: inference_pb2.ModelInferRequest) -> list[Violation]:
    """What is not known is not passed over: a misspelt routing key would send its caller anywhere."""
    found = []
    for name, parameter in request.parameters.items():
        kind = parameter.WhichOneof("parameter_choice")
        if name.startswith(HINT):
            continue
        if name not in PARAMETERS:
            found.append(Violation(f"parameters[{name}]", f"is not known; there are {', '.join(PARAMETERS)}"))
        elif kind != "string_param":
            found.append(Violation(f"parameters[{name}]", f"is a {kind}; use a string_param"))
    return found


def _truncation(request: inference_pb2.ModelInferRequest) -> int:
    word = request.parameters["truncation"].string_param
    if word not in _TRUNCATIONS:
        requests.refuse([Violation("parameters[truncation]", f"is {word!r}; use 'truncate' or 'refuse'")])
    return _TRUNCATIONS[word]
