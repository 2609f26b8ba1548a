"""What must be the same for a training to go on from a checkpoint to the end that it would have reached.

Pure but for hashing the model's weights, which must still be those that the training starts from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from shared.model import MultiTaskModel
from shared.spec import JobSpec
from shared.version import code_version
from worker.training.precision import Compute


def fingerprint(
    spec: JobSpec, data_sha256: Mapping[str, Mapping[str, str]], model: MultiTaskModel, compute: Compute
) -> dict[str, str]:
    """Names and values, readable where they are short; hashes where not."""
    return {
        "spec": _hash(spec.model_dump(mode="json")),
        "data": _hash({task: dict(files) for task, files in data_sha256.items()}),
        "starting weights": hash_weights(model),
        "code version": code_version(),
        "torch": torch.__version__,
        "device": _describe(compute.device),
        "precision": compute.precision,
        "threads": str(torch.get_num_threads()),
    }


def difference(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """What differs, in words; empty if nothing does."""
    names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    return ", ".join(f"{name} was {_short(theirs.get(name))} and is {_short(ours.get(name))}" for name in names)


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device}, {torch.cuda.get_device_name(device)}"
    return f"{device}, {torch.backends.cpu.get_cpu_capability()}"


def _hash(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def hash_weights(module: nn.Module) -> str:
    """SHA-256 over the names and bytes of all weights of `module`, in their order."""
    total = hashlib.sha256()
    for name, value in module.state_dict().items():
        total.update(name.encode())
        total.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _short(value: str | None) -> str:
    if value is None:
        return "not recorded"
    return value[:12] if len(value) == 64 else value
