"""Job specs: every violation at once, each with its path and value."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InvalidInputError
from shared.spec import JobSpec, parse_reference, parse_spec

GOOD: dict[str, Any] = {"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}
MANY: dict[str, Any] = GOOD | {"kind": "multi_label"}
MAPPED = {"train": "a", "label_map": {"1": "z"}}


def weights(policy: str, **factors: float) -> dict[str, Any]:
    return {"class_weights": {"policy": policy, "weights": factors}}


def columns(*names: str, **data: Any) -> dict[str, Any]:
    return {"data": {"train": "a.csv", "label_columns": names, **data}}


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({}, "tasks", "required"),
        ({"tasks": []}, "tasks", "at least one task"),
        ({"tasks": [GOOD, GOOD]}, "tasks[1].name", "'t' is the name of an earlier task"),
        ({"tasks": [GOOD], "surprise": 1}, "surprise", "not permitted"),
        ({"tasks": [GOOD | {"name": "a b"}]}, "tasks[0].name", "pattern"),
        ({"tasks": [GOOD | {"name": ""}]}, "tasks[0].name", "pattern"),
        ({"tasks": [GOOD | {"labels": ["x"]}]}, "tasks[0].labels", "at least 2"),
        ({"tasks": [GOOD | {"labels": ["x", "x"]}]}, "tasks[0].labels", "more than once: x"),
        ({"tasks": [GOOD | {"labels": ["x", ""]}]}, "tasks[0].labels[1]", "at least 1 character"),
        ({"tasks": [GOOD | {"data": {"train": ""}}]}, "tasks[0].data.train", "at least 1 character"),
        ({"tasks": [GOOD | {"data": {"train": "a", "encoding": "utf-9"}}]}, "tasks[0].data.encoding", "utf-9"),
        ({"tasks": [GOOD | {"data": {"train": "a", "preset": "x"}}]}, "tasks[0].data.preset", "'x'"),
        ({"tasks": [GOOD | {"data": {"train": "a", "max_rows": -1}}]}, "tasks[0].data.max_rows", "-1"),
        (
            {"tasks": [GOOD | {"data": {"train": "a", "label_map": {"1": "z"}}}]},
            "tasks[0].data.label_map[1]",
            "'z' is not one of labels: x, y",
        ),
        ({"tasks": [GOOD | {"data": {"train": "dataset:abc/x.csv"}}]}, "tasks[0].data.train", "dataset:<sha256>/<file"),
        (
            {"tasks": [GOOD | {"data": {"train": "a", "test": f"dataset:{'0' * 64}/a/b.csv"}}]},
            "tasks[0].data.test",
            "dataset:<sha256>/<file",
        ),
        ({"tasks": [GOOD], "gate": {"tasks": {"u": 0.1}}}, "gate.tasks[u]", "'u' is not one of the job's tasks"),
        ({"tasks": [GOOD], "gate": {"max_regression": -0.1}}, "gate.max_regression", "-0.1"),
        ({"tasks": [GOOD], "gate": {"metric": "loss"}}, "gate.metric", "'loss'"),
        ({"tasks": [GOOD], "gate": {"unjudged": "ask"}}, "gate.unjudged", "'release' or 'hold'"),
        ({"tasks": [GOOD], "gate": {"policy": "off", "unjudged": "hold"}}, "gate.unjudged", "publish.release hold"),
        ({"tasks": [GOOD], "publish": {"release": "maybe"}}, "publish.release", "'maybe'"),
        ({"tasks": [GOOD], "freeze": {"policy": "heads"}}, "freeze.heads", "policy heads needs"),
        ({"tasks": [GOOD], "freeze": {"policy": "all", "heads": ["t"]}}, "freeze.heads", "not needed"),
        ({"tasks": [GOOD], "freeze": {"policy": "none", "layers": 2}}, "freeze.layers", "got 2"),
        ({"tasks": [GOOD], "freeze": {"policy": "layers", "layers": -1}}, "freeze.layers", "-1"),
        ({"tasks": [GOOD], "freeze": {"gradual": {"every": 2}}}, "freeze.gradual", "goes with policy gradual"),
        ({"tasks": [GOOD], "freeze": {"policy": "gradual", "gradual": {"every": 0}}}, "freeze.gradual.every", "got 0"),
        ({"tasks": [GOOD], "freeze": {"policy": "gradual", "gradual": {"by": "day"}}}, "freeze.gradual.by", "'day'"),
        (
            {"tasks": [GOOD], "freeze": {"policy": "gradual", "gradual": {"warmup": 1}}},
            "freeze.gradual.warmup",
            "less than 1",
        ),
        (
            {"tasks": [GOOD], "freeze": {"policy": "gradual", "heads": ["t"]}},
            "freeze.gradual.start_layers",
            "nothing would be trained before the first thaw",
        ),
        ({"tasks": [GOOD], "layerwise_lr": {"heads": {"u": 1e-3}}}, "layerwise_lr.heads[u]", "not one of the job's"),
        ({"tasks": [GOOD], "layerwise_lr": {"heads": {"t": 2}}}, "layerwise_lr.heads.t", "got 2"),
        (
            {"tasks": [GOOD], "freeze": {"policy": "all"}, "layerwise_lr": {"heads": {"t": 1e-3}}},
            "layerwise_lr.heads[t]",
            "freeze keeps as it is",
        ),
        ({"tasks": [GOOD], "optimizer": {"accumulate": 0}}, "optimizer.accumulate", "got 0"),
        ({"tasks": [GOOD], "cache": {"mib": -1}}, "cache.mib", "-1"),
        ({"tasks": [GOOD | {"weight": 0}]}, "tasks[0].weight", "greater than 0"),
        (
            {"tasks": [GOOD], "freeze": {"policy": "heads", "heads": ["u"]}},
            "freeze.heads[0]",
            "'u' is not one of the job's tasks",
        ),
        ({"tasks": [GOOD], "freeze": {"policy": "some"}}, "freeze.policy", "'some'"),
        ({"tasks": [GOOD], "layerwise_lr": {"decay": 0}}, "layerwise_lr.decay", "greater than 0"),
        ({"tasks": [GOOD], "layerwise_lr": {"base_lr": -1e-5}}, "layerwise_lr.base_lr", "-1e-05"),
        ({"tasks": [GOOD], "optimizer": {"epochs": 0}}, "optimizer.epochs", "got 0"),
        ({"tasks": [GOOD], "optimizer": {"min_steps": -1}}, "optimizer.min_steps", "got -1"),
        ({"tasks": [GOOD], "optimizer": {"min_steps": 1_000_001}}, "optimizer.min_steps", "got 1000001"),
        ({"tasks": [GOOD], "optimizer": {"warmup": 1.0}}, "optimizer.warmup", "less than 1"),
        ({"tasks": [GOOD], "optimizer": {"head_lr": float("nan")}}, "optimizer.head_lr", ""),
        ({"tasks": [GOOD], "split": {"test": 0.6}}, "split.test", "0.6"),
        ({"tasks": [GOOD | weights("explicit", z=1)]}, "tasks[0].class_weights.weights[z]", "'z' is not one of labels"),
        ({"tasks": [GOOD | weights("explicit", x=-1)]}, "tasks[0].class_weights.weights.x", "got -1"),
        ({"tasks": [GOOD | weights("explicit", x=0)]}, "tasks[0].class_weights.weights.x", "greater than 0"),
        ({"tasks": [GOOD | weights("explicit")]}, "tasks[0].class_weights.weights", "is empty"),
        ({"tasks": [GOOD | weights("balanced", x=1)]}, "tasks[0].class_weights.weights", "not with balanced"),
        ({"tasks": [GOOD | {"kind": "many"}]}, "tasks[0].kind", "'many'"),
        ({"tasks": [MANY | {"labels": []}]}, "tasks[0].labels", "at least 1"),
        ({"tasks": [MANY | {"labels": ["x", "a|b"]}]}, "tasks[0].labels[1]", "'a|b' holds the separator '|'"),
        ({"tasks": [MANY | columns("x")]}, "tasks[0].data.label_columns", "1 columns for 2 labels"),
        ({"tasks": [GOOD | columns("x", "y")]}, "tasks[0].data.label_columns", "this task is single_label"),
        ({"tasks": [MANY | columns("x", "y", label_map={"1": "x"})]}, "tasks[0].data.label_map", "0 or 1"),
        ({"tasks": [MANY | columns("x", "y", format="tweeteval")]}, "tasks[0].data.label_columns", "has no columns"),
        ({"tasks": [GOOD | {"data": {"train": "a", "label_separator": ";"}}]}, "tasks[0].data.label_separator", "kind"),
        (
            {"tasks": [MANY | {"data": {"train": "a", "label_separator": ""}}]},
            "tasks[0].data.label_separator",
            "at least",
        ),
        (
            {"tasks": [MANY | {"data": {"train": "a", "preset": "tweet-sentiment"}}]},
            "tasks[0].data.preset",
            "single-label",
        ),
        ({"tasks": [MANY], "sampling": {"within": "class_balanced"}}, "sampling.within", "rows of 't' have several"),
        ({"tasks": [GOOD], "stopping": {"metrics": [{"task": "u"}]}}, "stopping.metrics[0].task", "'u' is not one of"),
        (
            {"tasks": [GOOD], "stopping": {"metrics": [{"task": "t", "metric": "speed"}]}},
            "stopping.metrics[0].metric",
            "'speed' is not one of macro_f1, macro_recall",
        ),
        (
            {"tasks": [GOOD], "stopping": {"metrics": [{"task": "t"}, {"task": "t", "weight": 2}]}},
            "stopping.metrics[1]",
            "named twice",
        ),
        (
            {"tasks": [GOOD], "stopping": {"metrics": [{"task": "t", "weight": 0}]}},
            "stopping.metrics[0].weight",
            "got 0",
        ),
        (
            {"tasks": [GOOD], "stopping": {"metrics": [{"task": "t", "metric": "micro_f1"}]}},
            "stopping.metrics[0].metric",
            "'micro_f1' is not one of macro_f1",
        ),
        ({"tasks": [GOOD], "stopping": {"every": "steps"}}, "stopping.steps", "is 0"),
        ({"tasks": [GOOD], "stopping": {"steps": 5}}, "stopping.steps", "not with every epoch"),
        ({"tasks": [GOOD], "stopping": {"patience": -1}}, "stopping.patience", "-1"),
        ({"tasks": [GOOD], "checkpoint": {"every_steps": -1}}, "checkpoint.every_steps", "-1"),
        ({"tasks": [GOOD], "optimizer": {"max_loss_ratio": 1.0}}, "optimizer.max_loss_ratio", "must be more than 1"),
        ({"tasks": [GOOD], "max_tokens": 5}, "max_tokens", "at least 8"),
        ({"tasks": [GOOD], "sampling": {"across": "round_robin"}}, "sampling.mixing", "goes with one_task"),
        ({"tasks": [GOOD], "sampling": {"temperature": 3}}, "sampling.temperature", "not with proportional (got 3"),
        ({"tasks": [GOOD], "sampling": {"across": "temperature", "temperature": 0.5}}, "sampling.temperature", "0.5"),
        ({"tasks": [GOOD], "lora": {"rank": 0}}, "lora.rank", "got 0"),
        ({"tasks": [GOOD], "lora": {"targets": []}}, "lora.targets", "is empty"),
        ({"tasks": [GOOD], "lora": {}, "freeze": {"policy": "backbone"}}, "lora", "not with backbone"),
    ],
)
def test_spec_with_one_fault_names_field_and_value(body: dict[str, Any], field: str, text: str) -> None:
    """A person fixes a recipe from the message alone."""
    with pytest.raises(InvalidInputError) as caught:
        parse_spec(body)
    matching = [v for v in caught.value.violations if v.field == field and text in v.description]
    assert matching, caught.value.violations


def test_spec_with_three_faults_reports_all() -> None:
    """One round trip, not one a fault."""
    with pytest.raises(InvalidInputError) as caught:
        parse_spec({"tasks": [GOOD], "max_tokens": 5, "optimizer": {"epochs": 0, "clip": -1}})
    assert {v.field for v in caught.value.violations} == {"max_tokens", "optimizer.epochs", "optimizer.clip"}


def test_spec_with_faults_in_parts_and_between_them_reports_all() -> None:
    """What does not fit together must not wait for a second round."""
    with pytest.raises(InvalidInputError) as caught:
        parse_spec({"tasks": [GOOD, GOOD | {"labels": ["x"]}], "max_tokens": 5, "freeze": {"heads": ["u"]}})
    fields = {v.field for v in caught.value.violations}
    assert fields == {"tasks[1].name", "tasks[1].labels", "max_tokens", "freeze.heads[0]"}


def test_spec_defaults_are_those_of_the_reference() -> None:
    """As docs and wire promise: embeddings 1e-5, each layer above 1/0.95 times the one below, heads 1e-4."""
    spec = parse_spec({"tasks": [GOOD]})
    assert (spec.layerwise_lr.anchor, spec.layerwise_lr.base_lr, spec.layerwise_lr.decay) == ("bottom", 1e-5, 0.95)
    assert spec.optimizer.head_lr == 1e-4


def test_spec_round_trips_through_json() -> None:
    """The stored record and the trainer's input are this JSON."""
    spec = parse_spec({"tasks": [GOOD], "freeze": {"policy": "heads", "heads": ["t"]}})
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(("written", "meant"), [(True, "on"), (False, "off"), ("off", "off")])
def test_gate_policy_is_read_as_yaml_gives_it(written: object, meant: str) -> None:
    """A recipe that says `policy: off` reaches us as false."""
    assert parse_spec({"tasks": [GOOD], "gate": {"policy": written}}).gate.policy == meant


def test_reference_of_an_uploaded_file_has_hash_and_name() -> None:
    """The name's ending tells the format, and may be anything that is no path."""
    reference = parse_reference(f"dataset:{'ab' * 32}/my data (2).csv")
    assert reference is not None
    assert (reference.sha256, reference.name) == ("ab" * 32, "my data (2).csv")
    assert str(reference) == f"dataset:{'ab' * 32}/my data (2).csv"
    assert reference.short == "dataset:abababababab/my data (2).csv"
    assert parse_reference("data/dataset.csv") is None
