"""Recipes and wire messages say the same thing, in both directions."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from google.protobuf.descriptor import Descriptor

from polyhead.errors import RecipeError
from polyhead.specs import from_struct, message_to_spec, spec_to_message, to_struct
from polyhead.v1 import training_pb2

FULL_SPEC: dict[str, Any] = {
    "base": {"version": 3, "carry": False},
    "tasks": [
        {
            "name": "sentiment",
            "labels": ["negative", "neutral", "positive"],
            "data": {
                "train": "train.csv",
                "validation": "validation.csv",
                "test": "test.csv",
                "preset": "tweet-sentiment",
                "format": "csv",
                "text_column": "words",
                "label_column": "class",
                "label_map": {"0": "negative", "1": "positive"},
                "encoding": "latin-1",
                "max_rows": 100,
                "label_separator": ";",
                "label_columns": ["is_negative", "is_neutral", "is_positive"],
            },
            "weight": 2.0,
            "kind": "multi_label",
            "class_weights": {"policy": "explicit", "weights": {"negative": 2.0, "positive": 0.5}},
        },
    ],
    "freeze": {
        "policy": "layers",
        "layers": 2,
        "heads": ["sentiment"],
        "gradual": {"by": "step", "every": 100, "start_layers": 1, "warmup": 0.2},
    },
    "layerwise_lr": {"anchor": "top", "base_lr": 1e-4, "decay": 0.9, "heads": {"sentiment": 5e-4}},
    "optimizer": {
        "head_lr": 1e-3,
        "epochs": 3,
        "tokens_per_batch": 1024,
        "rows_per_batch": 16,
        "warmup": 0.0,
        "weight_decay": 0.02,
        "clip": 0.0,
        "seed": 0,
        "precision": "bfloat16",
        "min_steps": 200,
        "max_loss_ratio": 10.0,
        "accumulate": 4,
    },
    "sampling": {"within": "class_balanced", "across": "temperature", "temperature": 3.0, "mixing": "one_task"},
    "split": {"validation": 0.2, "test": 0.15, "seed": 7},
    "max_tokens": 64,
    "baselines": False,
    "stopping": {
        "metrics": [{"task": "sentiment", "metric": "accuracy", "weight": 2.0}],
        "every": "steps",
        "steps": 50,
        "patience": 0,
        "min_delta": 0.001,
        "restore_best": False,
    },
    "checkpoint": {"every_steps": 20},
    "lora": {"rank": 4, "alpha": 8.0, "dropout": 0.1, "targets": ["query", "attention.output.dense"]},
    "cache": {"mib": 64},
    "gate": {
        "policy": "off",
        "metric": "accuracy",
        "max_regression": 0.0,
        "tasks": {"sentiment": 0.05},
        "dropped_tasks": "refuse",
        "unjudged": "hold",
    },
    "publish": {"release": "hold", "report_texts": False},
    "distributed": {"processes": 2},
    "search": {
        "sampler": "grid",
        "trials": 6,
        "seed": 5,
        "metric": {"sentiment.macro_f1": 2.0},
        "pruner": "median",
        "parameters": {
            "optimizer.head_lr": {"low": 1e-4, "high": 1e-2, "log": True},
            "optimizer.epochs": {"low": 1.0, "high": 5.0, "step": 2.0},
            "freeze": {"choices": [{"policy": "none"}, {"policy": "layers", "layers": 2}]},
            "freeze.policy": {"choices": ["none", True, 3, 0.5, ["a"], None]},
        },
        "then": "retrain",
    },
}


def _fields(message: Descriptor) -> set[str]:
    return {field.name for field in message.fields}


def test_spec_with_every_field_round_trips_unchanged() -> None:
    """A field lost on the way would train something else than the recipe says."""
    assert message_to_spec(spec_to_message(FULL_SPEC)) == FULL_SPEC


def test_full_spec_names_every_field_of_the_wire() -> None:
    """Keeps the round trip above complete when a field is added to the proto."""
    assert set(FULL_SPEC) == _fields(training_pb2.JobSpec.DESCRIPTOR)
    assert set(FULL_SPEC["tasks"][0]) == _fields(training_pb2.TaskSpec.DESCRIPTOR)
    assert set(FULL_SPEC["tasks"][0]["data"]) == _fields(training_pb2.DataSpec.DESCRIPTOR)
    for name in (
        "freeze",
        "layerwise_lr",
        "optimizer",
        "sampling",
        "split",
        "lora",
        "cache",
        "search",
        "stopping",
        "checkpoint",
        "base",
        "distributed",
        "gate",
        "publish",
    ):
        kind = training_pb2.JobSpec.DESCRIPTOR.fields_by_name[name].message_type
        assert kind is not None
        assert set(FULL_SPEC[name]) == _fields(kind)


def test_every_enum_value_has_a_short_name_that_comes_back() -> None:
    """Recipes use the short names; each must mean the enum value of the same name."""
    for field, name, values in [
        ("freeze", "policy", ["none", "all", "backbone", "layers", "heads", "gradual"]),
        ("layerwise_lr", "anchor", ["bottom", "top"]),
        ("optimizer", "precision", ["auto", "float32", "bfloat16"]),
        ("search", "sampler", ["tpe", "grid", "random"]),
        ("search", "pruner", ["none", "median", "halving"]),
        ("search", "then", ["publish", "retrain", "report"]),
        ("sampling", "within", ["natural", "class_balanced"]),
        ("sampling", "across", ["proportional", "temperature", "round_robin"]),
        ("sampling", "mixing", ["mixed", "one_task"]),
    ]:
        for value in values:
            assert message_to_spec(spec_to_message({field: {name: value}})) == {field: {name: value}}
    assert spec_to_message({"freeze": {"policy": "backbone"}}).freeze.policy == training_pb2.FREEZE_POLICY_BACKBONE


def test_unset_fields_stay_unset() -> None:
    """Defaults belong to the server; sending zeros would override them."""
    message = spec_to_message({"tasks": [{"name": "a", "labels": ["x", "y"], "data": {"train": "a.csv"}}]})
    assert not message.HasField("optimizer")
    assert not message.HasField("baselines")
    assert "optimizer" not in message_to_spec(message)


def test_unspecified_enum_is_left_out_and_an_unknown_number_is_kept() -> None:
    """The server must see the number to refuse it; silence would train with the default."""
    assert message_to_spec(training_pb2.JobSpec(freeze=training_pb2.FreezeSpec())) == {"freeze": {}}
    strange = training_pb2.JobSpec.FromString(b"\x1a\x02\x08\x63")
    assert message_to_spec(strange) == {"freeze": {"policy": 99}}


@pytest.mark.parametrize(
    ("spec", "path", "word"),
    [
        ({"epochs": 2}, "epochs", "unknown field"),
        ({"tasks": [{"name": "a", "lables": []}]}, "tasks[0].lables", "labels"),
        ({"tasks": {"name": "a"}}, "tasks", "needs a list"),
        ({"tasks": ["a"]}, "tasks[0]", "needs fields"),
        ({"tasks": [{"labels": ["x", True]}]}, "tasks[0].labels[1]", "quotes"),
        ({"tasks": [{"data": {"label_map": {"0": None}}}]}, "tasks[0].data.label_map[0]", "quotes"),
        ({"tasks": [{"data": {"label_map": "x"}}]}, "tasks[0].data.label_map", "needs keys"),
        ({"freeze": {"policy": "FREEZE_POLICY_ALL"}}, "freeze.policy", "backbone"),
        ({"optimizer": {"epochs": 1.5}}, "optimizer.epochs", "whole number"),
        ({"optimizer": {"epochs": 2**31}}, "optimizer.epochs", "whole number"),
        ({"optimizer": {"epochs": True}}, "optimizer.epochs", "whole number"),
        ({"optimizer": {"clip": "much"}}, "optimizer.clip", "a number"),
        ({"baselines": "yes"}, "baselines", "true or false"),
        ({"split": 3}, "split", "needs fields"),
        ({"spilt": None}, "spilt", "unknown field"),
        ({"tasks": [None]}, "tasks[0]", "needs fields"),
    ],
)
def test_spec_that_does_not_fit_is_refused_with_its_path(spec: dict[str, Any], path: str, word: str) -> None:
    """A typing error in a recipe must be found by its place, before anything is sent."""
    with pytest.raises(RecipeError) as caught:
        spec_to_message(spec)
    assert [violation.field for violation in caught.value.violations] == [path]
    assert word in caught.value.violations[0].description
    assert path in str(caught.value)


def test_null_is_a_field_that_is_not_given() -> None:
    """`--set lora=null` takes a recipe's adapters away, and `optimizer:` without lines is no error."""
    recipe = "{lora: null, search: ~, optimizer: {head_lr: null, epochs: 3}, tasks: null, max_tokens: null, freeze: }"
    assert message_to_spec(spec_to_message(yaml.safe_load(recipe))) == {"optimizer": {"epochs": 3}}
    assert spec_to_message({"lora": {}}).HasField("lora"), "adapters with their defaults, as before"


def test_all_violations_are_reported_at_once() -> None:
    """One round is enough to mend a recipe."""
    with pytest.raises(RecipeError) as caught:
        spec_to_message({"epochs": 2, "freeze": {"policy": "some"}, "baselines": 3})
    assert len(caught.value.violations) == 3


def test_yaml_quirks_of_numbers_and_labels_are_read_as_meant() -> None:
    """YAML 1.1 reads 1e-4 as a text and an unquoted label 0 as a number."""
    message = spec_to_message(yaml.safe_load("{optimizer: {head_lr: 1e-4}, tasks: [{name: a, labels: [0, 1]}]}"))
    assert message.optimizer.head_lr == 1e-4
    assert list(message.tasks[0].labels) == ["0", "1"]


def test_struct_round_trips_nested_data() -> None:
    """Metrics and reports travel as Struct; whole numbers must come back as such."""
    body = {"task": {"accuracy": 0.5, "rows": 3, "matrix": [[1, 2], [3, 4]], "note": None, "ok": True, "name": "x"}}
    assert from_struct(to_struct(body)) == body


def test_on_and_off_of_yaml_are_words_of_an_enum() -> None:
    """YAML 1.1 reads a bare `off` as false; the person who wrote it meant the word."""
    spec = yaml.safe_load("gate: {policy: off}")
    assert message_to_spec(spec_to_message(spec)) == {"gate": {"policy": "off"}}
    with pytest.raises(RecipeError, match=r"freeze\.policy: needs one of"):
        spec_to_message(yaml.safe_load("freeze: {policy: off}"))
