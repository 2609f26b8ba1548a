"""How deep each parameter of an encoder lies: 0 for the embeddings, 1 to L for the layers from the bottom up.

Owns the one place where architectures differ for freezing and layer-wise rates. It goes by structure, not by names, so
that any Hugging Face encoder works: the longest ModuleList is the stack of layers.
"""

from __future__ import annotations

from torch import nn

from shared.errors import BaseModelError


def num_layers(encoder: nn.Module) -> int:
    """L: how many layers lie above the embeddings."""
    return len(layer_stack(encoder)[1])


def depth_by_parameter(encoder: nn.Module) -> dict[str, int]:
    """The depth of every parameter of `encoder`, by its name, in the order of `named_parameters`.

    What stands before the stack feeds it and counts as embeddings. What stands behind it is applied on top (a final
    norm), but for an embedding table: all layers look that up (MPNet's relative attention bias), the lowest one first.

    Raises:
        BaseModelError: if the encoder has no stack of layers.
    """
    prefix, stack = layer_stack(encoder)
    depths: dict[str, int] = {}
    is_behind = False
    for name, _ in encoder.named_parameters():
        if name.startswith(f"{prefix}."):
            depths[name] = 1 + int(name.removeprefix(f"{prefix}.").split(".", 1)[0])
            is_behind = True
        elif not is_behind:
            depths[name] = 0
        else:
            owner = encoder.get_submodule(name.rpartition(".")[0])
            depths[name] = 1 if isinstance(owner, nn.Embedding) else len(stack)
    return depths


def layer_stack(encoder: nn.Module) -> tuple[str, nn.ModuleList]:
    """The layers from the bottom up, and the name under which `encoder` holds them."""
    stacks = [(name, module) for name, module in encoder.named_modules() if isinstance(module, nn.ModuleList)]
    if not stacks:
        raise BaseModelError(
            f"{type(encoder).__name__} has no list of layers, so its layers cannot be told apart; "
            "use a transformer encoder such as BERT, RoBERTa, DistilBERT or MPNet"
        )
    return max(stacks, key=lambda item: len(item[1]))  # the first of equals: the outer one
