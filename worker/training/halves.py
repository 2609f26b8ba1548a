"""An encoder cut in two between its layers: a lower half whose output can be kept, an upper half that runs from it.

Generic over architectures: each half is a shallow copy of the encoder, with the same weights, a shorter stack of layers
and, above, a stand-in for the embeddings. So attention masks, relative position biases and what else an architecture
computes beside its layers are computed by its own code.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from shared.errors import BaseModelError
from worker.training.layers import depth_by_parameter, layer_stack

M = TypeVar("M", bound=nn.Module)


class Halves:
    """`lower` and `upper` of one encoder. Both see every later change of its weights and modes."""

    def __init__(self, encoder: nn.Module, layers: int) -> None:
        """Cut above the lowest `layers` layers.

        Raises:
            BaseModelError: if the encoder has no single module of embeddings below its layers.
        """
        path, stack = layer_stack(encoder)
        self._given = _Given()
        self._lower = _with_module(encoder, path, nn.ModuleList(stack[:layers]))
        upper = _with_module(encoder, path, nn.ModuleList(stack[layers:]))
        self._upper = _with_module(upper, _embeddings(encoder), self._given)

    def lower(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """hidden_BTH as it goes into the upper half."""
        return self._lower(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state  # type: ignore[no-any-return]

    def upper(self, hidden_BTH: Tensor, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """The encoder's last hidden_BTH. What is at padded positions of the argument does not matter."""
        self._given.hidden_BTH = hidden_BTH
        try:
            output = self._upper(input_ids=ids_BT, attention_mask=mask_BT)
        finally:
            self._given.hidden_BTH = None
        return output.last_hidden_state  # type: ignore[no-any-return]

    def agrees_with(self, encoder: nn.Module, ids_BT: Tensor, mask_BT: Tensor, tolerance: float = 1e-4) -> bool:
        """Whether both halves together give what the whole gives, on rows of which there is one at least.

        An encoder that does more between its layers than to call them one after the other would not.
        """
        with torch.no_grad():
            whole_BTH = encoder(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
            halves_BTH = self.upper(self.lower(ids_BT, mask_BT), ids_BT, mask_BT)
        return torch.allclose(whole_BTH[mask_BT.bool()], halves_BTH[mask_BT.bool()], rtol=tolerance, atol=tolerance)


class _Given(nn.Module):
    """Stands where the embeddings were, and gives what was handed in."""

    hidden_BTH: Tensor | None = None

    def forward(self, *_: object, **__: object) -> Tensor:
        assert self.hidden_BTH is not None
        return self.hidden_BTH


def _embeddings(encoder: nn.Module) -> str:
    depths = depth_by_parameter(encoder)
    owners = {name.split(".", 1)[0] for name, depth in depths.items() if depth == 0}
    if len(owners) != 1:
        raise BaseModelError(f"{type(encoder).__name__} has embeddings in {sorted(owners) or 'no module'}, not in one")
    return owners.pop()


def _with_module(module: M, path: str, replacement: nn.Module) -> M:
    """A copy of `module` that has `replacement` at `path` and shares everything else."""
    name, _, rest = path.partition(".")
    child = module._modules[name]
    assert child is not None
    twin = module.__new__(type(module))
    twin.__dict__ = dict(module.__dict__)
    twin._modules = {**module._modules, name: _with_module(child, rest, replacement) if rest else replacement}
    return twin
