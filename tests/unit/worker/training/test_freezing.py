"""Freezing policies, proven by hashing every parameter before and after real training."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from shared.errors import InvalidInputError
from shared.model import MultiTaskModel
from shared.spec import FreezeSpec, parse_spec
from tests.tiny_rows import make_corpus, make_rows
from worker.training.freezing import apply_freezing, count_parameters, enter_train_mode
from worker.training.loop import TrainingLoop
from worker.training.precision import Compute
from worker.training.rates import rate_groups
from worker.training.vectors import encode_batch

CPU = Compute(torch.device("cpu"), "float32")
#: policy, its heads, and what must not change: a predicate over parameter names of the tiny model.
POLICIES: list[tuple[FreezeSpec, tuple[str, ...]]] = [
    (FreezeSpec(policy="none"), ()),
    (FreezeSpec(policy="all"), ("encoder.", "heads.")),
    (FreezeSpec(policy="backbone"), ("encoder.",)),
    (FreezeSpec(policy="heads", heads=("mood",)), ("heads.0.",)),
    (FreezeSpec(policy="heads", heads=("mood", "topic")), ("heads.",)),
    (FreezeSpec(policy="layers", layers=0), ("encoder.embeddings.",)),
    (FreezeSpec(policy="layers", layers=1), ("encoder.embeddings.", "encoder.encoder.layer.0.")),
    (
        FreezeSpec(policy="layers", layers=1, heads=("mood",)),
        ("encoder.embeddings.", "encoder.encoder.layer.0.", "heads.0."),
    ),
    (FreezeSpec(policy="backbone", heads=("mood",)), ("encoder.", "heads.0.")),
]
NAMES = [
    "none",
    "all",
    "backbone",
    "one head",
    "all heads",
    "embeddings",
    "one layer",
    "layer and head",
    "backbone and head",
]


def _hashes(model: nn.Module) -> dict[str, str]:
    return {name: hashlib.sha256(t.numpy().tobytes()).hexdigest() for name, t in model.state_dict().items()}


def _train(model: MultiTaskModel, base: Path, policy: FreezeSpec) -> None:
    tasks = [{"name": t.name, "labels": t.labels, "data": {"train": "x.csv"}} for t in model.tasks]
    rates: dict[str, Any] = {"layerwise_lr": {"base_lr": 1e-2}, "optimizer": {"head_lr": 1e-2, "epochs": 3}}
    spec = parse_spec({"tasks": tasks, "freeze": policy.model_dump(), **rates})
    corpus = make_corpus(base, [make_rows(100), make_rows(100, 3)])
    groups = rate_groups(model, spec)
    if groups:
        loop = TrainingLoop(model, corpus, groups, spec, CPU)
        loop.run(lambda stage: lambda batch: encode_batch(model, corpus, CPU, batch), lambda done: None)


@pytest.mark.parametrize(("policy", "frozen"), POLICIES, ids=NAMES)
def test_policy_after_training_left_the_frozen_bit_identical_and_changed_the_others(
    tiny_model: MultiTaskModel, tiny_base: Path, policy: FreezeSpec, frozen: tuple[str, ...]
) -> None:
    """The promise of freezing, for every parameter: not almost the same, but the same bits."""
    # Token rows that no text uses get no gradient; weight decay alone moves them, which it does here.
    apply_freezing(tiny_model, policy)
    before = _hashes(tiny_model)
    _train(tiny_model, tiny_base, policy)
    after = _hashes(tiny_model)
    unchanged = {name for name in before if before[name] == after[name]}
    assert unchanged == {name for name in before if name.startswith(frozen)}


@pytest.mark.parametrize(("policy", "frozen"), POLICIES, ids=NAMES)
def test_policy_in_train_mode_keeps_the_frozen_modules_in_eval_mode(
    tiny_model: MultiTaskModel, policy: FreezeSpec, frozen: tuple[str, ...]
) -> None:
    """Dropout in a frozen module would be noise that nothing learns from, and would break cached vectors."""
    apply_freezing(tiny_model, policy)
    tiny_model.train()
    enter_train_mode(tiny_model)
    for name, module in tiny_model.named_modules():
        if f"{name}.".startswith(frozen) or (frozen == ("encoder.", "heads.") and not name):
            assert not module.training, name
        elif name != "heads" or frozen != ("heads.",):
            assert module.training, name


def test_frozen_backbone_gives_the_same_vectors_in_train_mode(tiny_model: MultiTaskModel, tiny_base: Path) -> None:
    """What allows computing them once: no dropout, whatever the mode of the model around it."""
    corpus = make_corpus(tiny_base, [make_rows(4), make_rows(4, 3)])
    apply_freezing(tiny_model, FreezeSpec(policy="backbone"))
    enter_train_mode(tiny_model)
    first, again = (encode_batch(tiny_model, corpus, CPU, torch.arange(8).numpy()) for _ in range(2))
    assert torch.equal(first, again)


def test_counts_of_a_frozen_backbone_are_those_of_the_heads(tiny_model: MultiTaskModel) -> None:
    """The report tells the share of parameters that a policy trains."""
    apply_freezing(tiny_model, FreezeSpec(policy="backbone"))
    trainable, total = count_parameters(tiny_model)
    assert trainable == (32 + 1) * 2 + (32 + 1) * 3
    assert total == sum(parameter.numel() for parameter in tiny_model.parameters())


def test_more_layers_than_there_are_are_refused_with_both_numbers(tiny_model: MultiTaskModel) -> None:
    """The server says so where it knows the base model; where it does not, this is found before training."""
    with pytest.raises(InvalidInputError, match=r"freeze\.layers is 9, but the base model has 2 layers"):
        apply_freezing(tiny_model, FreezeSpec(policy="layers", layers=9))
