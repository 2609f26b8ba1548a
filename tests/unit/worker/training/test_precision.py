"""Choice of device and precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shared.errors import InvalidInputError
from worker.training.precision import choose_compute


def test_compute_on_a_cpu_without_native_bfloat16_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Emulated bfloat16 is slower than float32 and less exact."""
    for probe in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, probe, lambda: False)
    assert choose_compute("cpu", "auto").precision == "float32"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert choose_compute("cpu", "auto").precision == "bfloat16"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compute_with_a_named_precision_uses_it(precision: str) -> None:
    """A person who asks for one gets it, whatever the machine prefers."""
    compute = choose_compute("cpu", precision)  # type: ignore[arg-type]
    with compute.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert str(product.dtype) == f"torch.{precision}"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compute_on_a_cpu_keeps_what_goes_from_layer_to_layer_in_its_precision(precision: str) -> None:
    """One float32 tensor at the bottom would keep the whole stream in float32, and have it cast at each product."""
    block = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    with choose_compute("cpu", precision).autocast():  # type: ignore[arg-type]
        hidden = block[1](torch.ones(2, 4))
        assert (
            str(hidden.dtype) == str(block(hidden).dtype) == str((block(hidden) + hidden).dtype) == f"torch.{precision}"
        )
    assert block[1](torch.ones(2, 4)).dtype == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_compute_on_a_missing_gpu_is_refused() -> None:
    """Falling back to the CPU in silence would take days where minutes were expected."""
    with pytest.raises(InvalidInputError, match=r"device 'cuda:0' is not there: torch sees 0 GPUs"):
        choose_compute("cuda:0", "auto")
    assert choose_compute("auto", "float32").device.type == "cpu"
