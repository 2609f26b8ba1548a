"""Where the parameters of different encoders lie."""

from __future__ import annotations

from typing import get_args

import pytest
from torch import nn

from shared.errors import BaseModelError
from shared.model import drop_pooler
from tests.tiny_model import Architecture, make_tiny_encoder
from worker.training.layers import depth_by_parameter, num_layers


@pytest.mark.parametrize("architecture", get_args(Architecture))
@pytest.mark.parametrize("layers", [2, 12])
def test_depths_of_any_architecture_follow_embeddings_and_layers(architecture: Architecture, layers: int) -> None:
    """Freezing and rates go by these depths: a parameter at the wrong one is trained wrongly without a word."""
    encoder = make_tiny_encoder(layers, architecture=architecture)
    drop_pooler(encoder)
    depths = depth_by_parameter(encoder)
    assert num_layers(encoder) == layers
    assert list(depths) == [name for name, _ in encoder.named_parameters()]
    for name, depth in depths.items():
        if name.startswith("embeddings."):
            assert depth == 0, name
        elif ".layer." in name:
            assert depth == 1 + int(name.split(".layer.")[1].split(".")[0]), name
        else:
            assert (architecture, name, depth) == ("mpnet", "encoder.relative_attention_bias.weight", 1)
    assert set(depths.values()) == set(range(layers + 1))


def test_depths_of_a_final_norm_are_those_of_the_top_layer() -> None:
    """Pre-norm encoders end with a norm behind the stack; it belongs to the top, not to the embeddings."""
    encoder = nn.Module()
    encoder.embeddings = nn.Embedding(3, 2)
    encoder.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    encoder.final_norm = nn.LayerNorm(2)
    depths = depth_by_parameter(encoder)
    assert depths["embeddings.weight"] == 0
    assert depths["final_norm.weight"] == depths["layers.1.weight"] == 2


def test_depths_without_a_stack_of_layers_are_refused() -> None:
    """Better a clear error than one rate for everything."""
    with pytest.raises(BaseModelError, match="Linear has no list of layers"):
        depth_by_parameter(nn.Linear(2, 2))
