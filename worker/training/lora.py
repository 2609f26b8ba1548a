"""LoRA: adapters in the encoder while it is trained, merged into its weights afterwards (Hu et al. 2021; peft).

Owns which modules get adapters, and the proof that merging changed nothing. Adapters lie inside the encoder's own
modules, so layers, rates and checkpoints see them by the names of their layers. Imports peft only when asked to: it
takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shared.errors import InvalidInputError, TrainingError, Violation
from shared.model import MultiTaskModel
from shared.spec import LoraSpec
from worker.training.corpus import Corpus
from worker.training.layers import depth_by_parameter
from worker.training.precision import Compute
from worker.training.vectors import encode_batch

#: Merged and unmerged logits differ by at most so much, relative to the largest of them (at least 1).
TOLERANCE = 1e-5
#: Held-out rows on which that is checked.
CHECKED_ROWS = 64


@dataclass(frozen=True, slots=True)
class Adapters:
    """Adapters inside the encoder of a model, until `merge`. `modules`: what has one, by its name in the encoder."""

    spec: LoraSpec
    modules: tuple[str, ...]
    num_parameters: int
    _tuner: Any

    def merge(self, model: MultiTaskModel, corpus: Corpus, compute: Compute) -> float:
        """Merge the adapters into the encoder and remove them; how far the logits moved, relative.

        Raises:
            TrainingError: if merged and unmerged logits differ on rows of `corpus` by more than TOLERANCE.
        """
        before = _logits(model, corpus, compute)
        self._tuner.merge_and_unload()
        after = _logits(model, corpus, compute)
        scale = max(1.0, float(before.abs().max()))
        difference = float((after - before).abs().max()) / scale
        if not difference <= TOLERANCE:
            raise TrainingError(
                f"merging the LoRA adapters moved the logits by {difference:.2g}, more than {TOLERANCE:g}; "
                "lower lora.alpha or the learning rates"
            )
        return difference

    def describe(self) -> dict[str, Any]:
        """The adapters' part of a job's report."""
        suffixes = dict.fromkeys(_suffix(name) for name in self.modules)
        return {
            "rank": self.spec.rank,
            "alpha": self.spec.alpha,
            "targets": list(suffixes),
            "adapters": len(self.modules),
            "parameters": self.num_parameters,
        }


def add_adapters(model: MultiTaskModel, spec: LoraSpec) -> Adapters:
    """Put adapters into the trainable layers of the encoder and freeze everything else of it.

    They change nothing yet: B starts at zero. A is drawn from torch's generator.

    Raises:
        InvalidInputError: if a target matches no linear module of those layers.
    """
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    encoder = model.encoder
    chosen = _choose(_linear_modules(encoder), spec.targets)
    config = LoraConfig(
        r=spec.rank, lora_alpha=spec.alpha, lora_dropout=spec.dropout, target_modules=list(chosen), bias="none"
    )
    tuner = LoraModel(encoder, config, "default")
    adapted = sum(parameter.numel() for parameter in encoder.parameters() if parameter.requires_grad)
    return Adapters(spec, chosen, adapted, tuner)


def _linear_modules(encoder: nn.Module) -> list[str]:
    """Names of the linear modules in layers whose weights are not frozen, from the bottom up."""
    depths = depth_by_parameter(encoder)
    trainable = {name for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    return [
        name
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Linear) and depths[f"{name}.weight"] > 0 and f"{name}.weight" in trainable
    ]


def _choose(there: list[str], targets: tuple[str, ...]) -> tuple[str, ...]:
    chosen: set[str] = set()
    violations = []
    for index, target in enumerate(targets):
        matching = [name for name in there if _matches(name, target)]
        chosen.update(matching)
        if not matching:
            known = ", ".join(dict.fromkeys(map(_suffix, there))) or "none: every layer is frozen"
            hint = f"{target!r} matches no linear module of the trained layers; there are: {known}"
            violations.append(Violation(f"lora.targets[{index}]", hint))
    if violations:
        summary = "; ".join(f"{violation.field}: {violation.description}" for violation in violations)
        raise InvalidInputError(summary, tuple(violations))
    return tuple(name for name in there if name in chosen)


def _matches(name: str, target: str) -> bool:
    if target == "all_linear":
        return True
    if target == "attention":
        # BERT, RoBERTa and DistilBERT call it attention, MPNet attention.attn, ModernBERT attn.
        return any("attention" in part or "attn" in part for part in name.split("."))
    return name == target or name.endswith(f".{target}")


def _suffix(name: str) -> str:
    """The name within its layer: `encoder.layer.0.attention.self.query` is `attention.self.query`."""
    parts = name.split(".")
    numbers = [index for index, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[numbers[0] + 1 :]) if numbers else name


def _logits(model: MultiTaskModel, corpus: Corpus, compute: Compute) -> Tensor:
    """Logits of all heads, in float32 and without dropout, of rows spread evenly over `corpus`."""
    rows = np.unique(np.linspace(0, len(corpus) - 1, CHECKED_ROWS).round().astype(np.int64))
    was_training = [module for module in model.modules() if module.training]
    model.eval()
    with torch.no_grad():
        pooled_BH = encode_batch(model, corpus, Compute(compute.device, "float32"), rows)
        logits = torch.cat([head(pooled_BH) for head in model.heads], dim=1)
    for module in was_training:
        module.training = True
    return logits
