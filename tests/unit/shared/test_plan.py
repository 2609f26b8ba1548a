"""What a job spec comes to, before any data is read."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InvalidInputError
from shared.plan import Stage, depth_rate, derived_rate_misfits, describe_plan, shape_misfits, stages
from shared.spec import FreezeSpec, JobSpec, LayerwiseSpec, parse_spec


def _spec(**fields: Any) -> JobSpec:
    tasks = [{"name": name, "labels": ["x", "y"], "data": {"train": "a.csv"}} for name in ("mood", "topic")]
    return parse_spec({"tasks": tasks, **fields})


@pytest.mark.parametrize(
    ("freeze", "lowest"),
    [
        ({"policy": "none"}, 0),
        ({"policy": "heads", "heads": ["mood"]}, 0),
        ({"policy": "layers", "layers": 0}, 1),
        ({"policy": "layers", "layers": 4}, 5),
        ({"policy": "layers", "layers": 6}, 7),
        ({"policy": "backbone"}, 7),
        ({"policy": "all"}, 7),
    ],
)
def test_policy_without_a_schedule_has_one_stage(freeze: dict[str, Any], lowest: int) -> None:
    """The lowest depth that is trained, of an encoder with six layers; heads are at depth seven."""
    assert stages(FreezeSpec.model_validate(freeze), 6) == [Stage(0, lowest)]


def test_gradual_policy_thaws_from_the_top_with_the_embeddings_last() -> None:
    """Howard & Ruder 2018: the heads first, then one more layer at a time."""
    gradual = {"every": 10, "by": "step", "start_layers": 1}
    found = stages(FreezeSpec.model_validate({"policy": "gradual", "gradual": gradual}), 3)
    assert found == [Stage(0, 3), Stage(10, 2), Stage(20, 1), Stage(30, 0)]


def test_plan_by_epoch_says_when_and_what_never() -> None:
    """Two epochs of a gradual job leave most of the encoder as it was; a person should see that before it runs."""
    spec = _spec(freeze={"policy": "gradual", "heads": ["topic"]}, optimizer={"epochs": 2})
    plan = describe_plan(spec, "tiny", 3)
    assert (plan["base_model"], plan["layers"]) == ("tiny", 3)
    assert plan["stages"] == [
        {"from_epoch": 1, "trained": "heads"},
        {"from_epoch": 2, "trained": "layer.2 and above"},
    ]
    assert plan["stages_not_reached"] == ["layer.1", "layer.0", "embeddings"]
    assert {row["part"]: row["trained"] for row in plan["learning_rates"]} == {
        "embeddings": "never",
        "layer.0": "never",
        "layer.1": "never",
        "layer.2": "from epoch 2",
        "head.mood": "from the start",
        "head.topic": "never",
    }


@pytest.mark.parametrize(
    ("freeze", "stage", "never"),
    [
        ({"policy": "none"}, "adapters and heads", {"embeddings"}),
        ({"policy": "layers", "layers": 0}, "adapters and heads", {"embeddings"}),
        (
            {"policy": "layers", "layers": 2},
            "adapters in layer.2 and above, heads",
            {"embeddings", "layer.0", "layer.1"},
        ),
    ],
)
def test_plan_with_lora_trains_adapters_and_never_the_embeddings(
    freeze: dict[str, Any], stage: str, never: set[str]
) -> None:
    """There are no adapters in embeddings; `everything` would be the opposite of what LoRA is for."""
    plan = describe_plan(_spec(lora={}, freeze=freeze), "tiny", 3)
    assert plan["stages"] == [{"from_epoch": 1, "trained": stage}]
    assert {row["part"] for row in plan["learning_rates"] if row["trained"] == "never"} == never


@pytest.mark.parametrize("fields", [{"freeze": {"policy": "gradual", "gradual": {"by": "step", "every": 500}}}])
def test_plan_by_step_does_not_guess_how_many_steps_there_are(fields: dict[str, Any]) -> None:
    """That depends on the rows, which nobody has read yet."""
    plan = describe_plan(_spec(**fields), "tiny", 2)
    assert [stage["from_step"] for stage in plan["stages"]] == [1, 501, 1001, 1501]
    assert plan["stages_not_reached"] == []


def test_plan_has_the_rates_of_the_spec() -> None:
    """Anchored at the top, with a rate for one head."""
    rates = {"anchor": "top", "base_lr": 8e-5, "decay": 0.5, "heads": {"topic": 3e-4}}
    plan = describe_plan(_spec(layerwise_lr=rates, optimizer={"head_lr": 8e-4}), "tiny", 2)
    assert {row["part"]: row["lr"] for row in plan["learning_rates"]} == pytest.approx(
        {"embeddings": 2e-5, "layer.0": 4e-5, "layer.1": 8e-5, "head.mood": 8e-4, "head.topic": 3e-4}
    )


@pytest.mark.parametrize(
    ("freeze", "field"),
    [
        ({"policy": "layers", "layers": 7}, "freeze.layers"),
        ({"policy": "gradual", "gradual": {"start_layers": 7}}, "freeze.gradual.start_layers"),
    ],
)
def test_shape_misfits_name_both_numbers(freeze: dict[str, Any], field: str) -> None:
    """One more layer than there are; as many as there are is fine."""
    (violation,) = shape_misfits(FreezeSpec.model_validate(freeze), 6, "tiny")
    assert violation.field == field
    assert violation.description == "is 7, but the base model tiny has 6 layers"
    assert list(shape_misfits(FreezeSpec.model_validate(freeze), 7)) == []


@pytest.mark.parametrize(
    ("decay", "rate"), [(0.01, "1e+07"), (1e-300, "inf")], ids=["high", "beyond what a float can hold"]
)
def test_rate_that_comes_out_above_one_names_layer_rate_and_cure(decay: float, rate: str) -> None:
    """base_lr 1e-5 and decay 0.01 look harmless, and six layers up they are ten million."""
    spec = LayerwiseSpec(base_lr=1e-5, decay=decay)
    (violation,) = derived_rate_misfits(spec, 6)
    assert violation.field == "layerwise_lr"
    for part in (f"gives layer.5 the rate {rate}", "1 is the highest", f"decay {decay:g}", "anchor top"):
        assert part in violation.description
    with pytest.raises(InvalidInputError, match=r"gives layer\.5 the rate"):
        depth_rate(spec, 6, 6)


@pytest.mark.parametrize("spec", [{"base_lr": 0.5, "decay": 0.5}, {"base_lr": 1.0, "decay": 1e-300, "anchor": "top"}])
def test_rate_of_exactly_one_is_allowed(spec: dict[str, Any]) -> None:
    """The bound of base_lr itself; from the top down no rate is above it."""
    assert list(derived_rate_misfits(LayerwiseSpec.model_validate(spec), 1)) == []
    assert depth_rate(LayerwiseSpec.model_validate(spec), 1, 1) == 1.0
