"""Layer-wise learning rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from shared.base_model import load_base_model
from shared.model import MultiTaskModel, Task
from shared.model_files import build_model
from shared.spec import FreezeSpec, JobSpec, parse_spec
from tests.tiny_model import Architecture, make_tiny_base
from worker.training.freezing import apply_freezing
from worker.training.rates import rate_groups


def _spec(**fields: Any) -> JobSpec:
    tasks = [{"name": "mood", "labels": ["down", "up"], "data": {"train": "x.csv"}}]
    return parse_spec({"tasks": tasks, **fields})


def _model(folder: Path, architecture: Architecture, layers: int = 3) -> MultiTaskModel:
    base = load_base_model(str(make_tiny_base(folder, layers, architecture=architecture)))
    return build_model(base, [Task("mood", ("down", "up"))])


@pytest.mark.parametrize("architecture", get_args(Architecture))
@pytest.mark.parametrize("policy", ["none", "backbone", "layers", "gradual"])
def test_groups_of_any_architecture_hold_each_trainable_parameter_once(
    tmp_path: Path, architecture: Architecture, policy: Any
) -> None:
    """A parameter in no group would never train, one in two groups would be updated twice."""
    model = _model(tmp_path, architecture)
    apply_freezing(model, FreezeSpec(policy=policy, layers=2 if policy == "layers" else 0))
    grouped = [name for group in rate_groups(model, _spec()) for name in group.parameters]
    assert sorted(grouped) == sorted(name for name, p in model.named_parameters() if p.requires_grad)
    assert {id(p) for group in rate_groups(model, _spec()) for p in group.parameters.values()} == {
        id(p) for p in model.parameters() if p.requires_grad
    }


def test_groups_anchored_at_the_bottom_rise_by_the_inverse_decay(tmp_path: Path) -> None:
    """The reference's schedule: embeddings 1e-5, each layer above 1/0.95 times the one below, heads 1e-4."""
    rates = {group.name: group.lr for group in rate_groups(_model(tmp_path, "bert"), _spec())}
    assert rates == {
        "embeddings": pytest.approx(1e-5),
        "layer.0": pytest.approx(1e-5 / 0.95),
        "layer.1": pytest.approx(1e-5 / 0.95**2),
        "layer.2": pytest.approx(1e-5 / 0.95**3),
        "head.mood": pytest.approx(1e-4),
    }


def test_groups_anchored_at_the_top_fall_by_the_decay(tmp_path: Path) -> None:
    """The other common form: the top layer gets the base rate, the embeddings the lowest."""
    spec = _spec(layerwise_lr={"anchor": "top", "base_lr": 8e-5, "decay": 0.9}, optimizer={"head_lr": 8e-4})
    rates = {group.name: group.lr for group in rate_groups(_model(tmp_path, "bert"), spec)}
    assert rates == {
        "embeddings": pytest.approx(8e-5 * 0.9**3),
        "layer.0": pytest.approx(8e-5 * 0.9**2),
        "layer.1": pytest.approx(8e-5 * 0.9),
        "layer.2": pytest.approx(8e-5),
        "head.mood": pytest.approx(8e-4),
    }


def test_groups_of_one_dimensional_parameters_have_no_weight_decay(tmp_path: Path) -> None:
    """Decaying biases and norms pulls them towards zero, where they do not belong."""
    groups = rate_groups(_model(tmp_path, "bert"), _spec(optimizer={"weight_decay": 0.02}))
    for group in groups:
        dimensions = {parameter.ndim > 1 for parameter in group.parameters.values()}
        assert dimensions == {group.weight_decay == 0.02}, group.name
    assert {group.weight_decay for group in groups} == {0.0, 0.02}


def test_group_descriptions_add_up_to_the_trainable_parameters(tmp_path: Path) -> None:
    """The table in a job's report is what a person checks a recipe by."""
    model = _model(tmp_path, "bert")
    table = [group.describe() for group in rate_groups(model, _spec())]
    assert sum(row["parameters"] for row in table) == sum(p.numel() for p in model.parameters())
    assert table[0].keys() == {"group", "parameters", "lr", "weight_decay"}
    assert [row["group"] for row in table][:2] == ["embeddings", "embeddings"]


def test_groups_of_a_wholly_frozen_model_are_none(tmp_path: Path) -> None:
    """Policy `all` evaluates and calibrates only: there is nothing to optimize."""
    model = _model(tmp_path, "bert")
    apply_freezing(model, FreezeSpec(policy="all"))
    assert rate_groups(model, _spec()) == []


def test_groups_of_a_head_with_a_rate_of_its_own_have_it(tmp_path: Path) -> None:
    """A new task may need a faster head than one that is trained already; the others keep the default."""
    tasks = [{"name": n, "labels": ["down", "up"], "data": {"train": "x.csv"}} for n in ("mood", "topic")]
    spec = parse_spec({"tasks": tasks, "layerwise_lr": {"heads": {"topic": 3e-3}}, "optimizer": {"head_lr": 1e-3}})
    base = load_base_model(str(make_tiny_base(tmp_path)))
    model = build_model(base, [Task(name, ("down", "up")) for name in ("mood", "topic")])
    rates = {group.name: group.lr for group in rate_groups(model, spec)}
    assert (rates["head.mood"], rates["head.topic"]) == (1e-3, 3e-3)
    assert rates["layer.0"] == pytest.approx(1e-5 / 0.95)
