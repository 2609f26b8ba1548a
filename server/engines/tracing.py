"""The encoder's forward pass as one call that leaves Python, for compute threads that share the interpreter lock.

Op by op, a thread asks for the lock some hundred times a batch, and the event loop may hold it for a switch interval
each time. A traced function (TorchScript) is one call (docs/decisions/0022-traced-encoder.md). It is traced once for
each architecture, with the weights as arguments: another version of the same shape runs through the same function, and
nothing of a version outlives it.

Tensor shapes: B rows, T tokens (longest of the batch), H hidden size.
"""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator

import structlog
import torch
from torch import Tensor, nn

from shared.model import MultiTaskModel

log = structlog.get_logger(__name__)

Pool = Callable[[Tensor, Tensor], Tensor]

#: What is traced must hold for other shapes and paddings than the first of these, with which it is traced.
_SHAPES = ((3, 7), (1, 1), (1, 5), (2, 12), (5, 7))
_TOLERANCE = 1e-4

#: Architecture -> its function, or None where tracing does not give the same vectors.
_functions: dict[Hashable, Callable[..., Tensor] | None] = {}
_lock = threading.Lock()


def plain_pool(model: MultiTaskModel, dtype: torch.dtype) -> Pool:
    """`model.pool` as a function ids_BT, mask_BT -> pooled_BH (float32); other than float32 is autocast to `dtype`."""
    return lambda ids_BT, mask_BT: _pool(model, ids_BT, mask_BT, dtype)


def traced_pool(model: MultiTaskModel, device: torch.device, dtype: torch.dtype) -> Pool | None:
    """`plain_pool` as one call, for inference mode; None where tracing fails or changes the result."""
    weights = dict(_encoder_weights(model))
    key = _architecture(model, weights, device, dtype)
    values = tuple(weights.values())
    with _lock:
        if key not in _functions:
            _functions[key] = _trace(model, tuple(weights), values, dtype)
        function = _functions[key]
    if function is None:
        return None
    return lambda ids_BT, mask_BT: _call(function, ids_BT, mask_BT, values)


def _call(function: Callable[..., Tensor], ids_BT: Tensor, mask_BT: Tensor, values: tuple[Tensor, ...]) -> Tensor:
    """As traced: TorchScript's own optimizing would profile the first calls of each shape."""
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        return function(ids_BT, mask_BT, *values)


def _encoder_weights(model: MultiTaskModel) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in model.encoder.named_parameters(remove_duplicate=False):
        yield name, parameter.detach()
    yield from model.encoder.named_buffers(remove_duplicate=False)


def _architecture(
    model: MultiTaskModel, weights: dict[str, Tensor], device: torch.device, dtype: torch.dtype
) -> Hashable:
    shapes = tuple((name, tuple(tensor.shape), tensor.dtype) for name, tensor in weights.items())
    return type(model.encoder), str(getattr(model.encoder, "config", "")), shapes, device, dtype


def _trace(
    model: MultiTaskModel, names: tuple[str, ...], values: tuple[Tensor, ...], dtype: torch.dtype
) -> Callable[..., Tensor] | None:
    hollow = copy.deepcopy(model, {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())})

    def pool(ids_BT: Tensor, mask_BT: Tensor, *weights: Tensor) -> Tensor:
        for name, weight in zip(names, weights, strict=True):
            _put(hollow.encoder, name, weight)
        return _pool(hollow, ids_BT, mask_BT, dtype)

    try:
        with torch.no_grad(), warnings.catch_warnings():
            # That it is deprecated is known (0022); what may not hold for other inputs is tried below.
            warnings.simplefilter("ignore")
            function: Callable[..., Tensor] = torch.jit.trace(  # type: ignore[no-untyped-call]
                pool, (*_example(_SHAPES[0], values[0].device), *values), check_trace=False
            )
        differs = next((shape for shape in _SHAPES if not _agrees(model, function, values, shape, dtype)), None)
    except Exception as error:  # noqa: BLE001 - whatever a model's code raises under a tracer, it still runs without one
        log.warning("the encoder cannot be traced and runs op by op", error=repr(error))
        return None
    if differs:
        log.warning("the traced encoder answers otherwise, so that it runs op by op", rows_and_tokens=differs)
        return None
    return function


def _pool(model: MultiTaskModel, ids_BT: Tensor, mask_BT: Tensor, dtype: torch.dtype) -> Tensor:
    with torch.autocast(ids_BT.device.type, dtype, enabled=dtype != torch.float32):
        return model.pool(ids_BT, mask_BT).float()


def _put(encoder: nn.Module, name: str, weight: Tensor) -> None:
    """In place of a parameter or buffer, which would not be recorded as an argument."""
    *path, last = name.split(".")
    module = encoder.get_submodule(".".join(path))
    delattr(module, last)
    setattr(module, last, weight)


def _example(shape: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids that any vocabulary has; the second half of the rows is padded by a third."""
    num_rows, num_tokens = shape
    ids_BT = (torch.arange(num_rows * num_tokens, device=device) % 5).view(num_rows, num_tokens)
    mask_BT = torch.ones_like(ids_BT)
    mask_BT[(num_rows + 1) // 2 :, num_tokens - num_tokens // 3 :] = 0
    return ids_BT, mask_BT


def _agrees(
    model: MultiTaskModel,
    function: Callable[..., Tensor],
    values: tuple[Tensor, ...],
    shape: tuple[int, int],
    dtype: torch.dtype,
) -> bool:
    example = _example(shape, values[0].device)
    with torch.inference_mode():
        expected_BH = _pool(model, *example, dtype)
        traced_BH = _call(function, *example, values)
    tolerance = _TOLERANCE if dtype == torch.float32 else 1e-2
    return torch.allclose(expected_BH, traced_BH, rtol=tolerance, atol=tolerance)
