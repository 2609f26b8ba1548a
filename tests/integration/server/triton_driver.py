"""Asks a server by tritonclient what the Open Inference Protocol offers, and prints the answers as JSON.

A process of its own: tritonclient brings the protobuf package `inference`, which a process can have once only.
Arguments: the server's address, and the sentences.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, service_pb2
from tritonclient.utils import InferenceServerException


def infer_raw(client: InferenceServerClient, sentences: list[str], shape: list[int], **options: Any) -> dict[str, Any]:
    """The client's own way: raw contents."""
    tensor = InferInput("text", shape, "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode() for text in sentences], np.object_).reshape(shape))
    result = client.infer("polyhead", [tensor], request_id="one", **options)
    answer = result.get_response()
    return {
        "id": answer.id,
        "version": answer.model_version,
        "parameters": {name: _value(parameter) for name, parameter in answer.parameters.items()},
        "labels": {o.name: json.loads(o.parameters["labels"].string_param) for o in answer.outputs if o.parameters},
        "tensors": {o.name: _as_list(result.as_numpy(o.name)) for o in answer.outputs},
    }


def infer_typed(client: InferenceServerClient, sentences: list[str]) -> dict[str, Any]:
    """By typed contents, for which the client has no call."""
    request = service_pb2.ModelInferRequest(model_name="polyhead")
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[len(sentences)])
    tensor.contents.bytes_contents.extend(text.encode() for text in sentences)
    answer = client._client_stub.ModelInfer(request)
    assert not answer.raw_output_contents
    found = {}
    for output in answer.outputs:
        contents = output.contents
        values = contents.fp32_contents or [element.decode() for element in contents.bytes_contents]
        found[output.name] = np.array(list(values)).reshape(list(output.shape)).tolist()
    return found


def refusal(client: InferenceServerClient, **options: Any) -> str:
    tensor = InferInput("text", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([b"text"], np.object_))
    try:
        client.infer(**({"model_name": "polyhead", "inputs": [tensor]} | options))
    except InferenceServerException as error:
        return f"{error.status()}: {error.message()}"
    return "no error"


def _value(parameter: Any) -> Any:
    return getattr(parameter, parameter.WhichOneof("parameter_choice"))


def _as_list(array: np.ndarray[Any, Any]) -> list[Any]:
    return np.vectorize(bytes.decode)(array).tolist() if array.dtype == np.object_ else array.tolist()


def main() -> None:
    target, *sentences = sys.argv[1:]
    client = InferenceServerClient(target)
    wanted = [InferRequestedOutput(name) for name in ("embedding", "sentiment.label")]
    metadata = client.get_model_metadata("polyhead", as_json=True)
    print(
        json.dumps(
            {
                "live": client.is_server_live(),
                "ready": client.is_server_ready(),
                "model_ready": client.is_model_ready("polyhead"),
                "version_ready": client.is_model_ready("polyhead", "1"),
                "alias_ready": client.is_model_ready("polyhead", "latest"),
                "other_version_ready": client.is_model_ready("polyhead", "77"),
                "server": client.get_server_metadata(as_json=True),
                "model": metadata,
                "config": client.get_model_config("polyhead", as_json=True)["config"],
                "raw": infer_raw(client, sentences, [len(sentences)]),
                "raw_column": infer_raw(client, sentences, [len(sentences), 1], outputs=wanted, model_version="1"),
                "typed": infer_typed(client, sentences),
                "no_model": refusal(client, model_name="other"),
                "no_version": refusal(client, model_version="77"),
                "no_output": refusal(client, outputs=[InferRequestedOutput("nothing")]),
            }
        )
    )


if __name__ == "__main__":
    main()
