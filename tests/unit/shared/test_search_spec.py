"""Searches: what may be searched, and every mistake at once, before anything is queued."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InvalidInputError
from shared.spec import JobSpec, SearchSpec, parse_spec
from shared.spec.candidates import apply_values, grid_points
from shared.spec.paths import UnknownFieldError, field_kind

TASKS = [{"name": name, "labels": ["x", "y"], "data": {"train": "a.csv"}} for name in ("mood", "topic")]
RATE = {"low": 1e-4, "high": 1e-2, "log": True}


def _body(parameters: dict[str, Any], **search: Any) -> dict[str, Any]:
    return {"tasks": TASKS, "search": {"parameters": parameters, **search}}


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        (_body({}), "search.parameters", "at least 1"),
        (
            _body({"optimizer.lr": RATE}),
            "search.parameters[optimizer.lr]",
            "has no field 'lr'; it has head_lr",
        ),
        (_body({"optimiser.lr": RATE}), "search.parameters[optimiser.lr]", "the spec has no field 'optimiser'"),
        (_body({"tasks.sentiment.weight": RATE}), "search.parameters[tasks.sentiment.weight]", "tasks: mood, topic"),
        (_body({"tasks.mood": {"choices": [1]}}), "search.parameters[tasks.mood]", "names no field"),
        (_body({"tasks.mood.data.max_rows": RATE}), "search.parameters[tasks.mood.data.max_rows]", "same rows"),
        (_body({"split.seed": {"low": 1, "high": 2}}), "search.parameters[split.seed]", "same rows"),
        (_body({"search.seed": {"low": 1, "high": 2}}), "search.parameters[search.seed]", "no influence"),
        (_body({"freeze.policy": RATE}), "search.parameters[freeze.policy]", "not a number"),
        (_body({"freeze.heads": RATE}), "search.parameters[freeze.heads]", "not a number"),
        (_body({"optimizer.epochs": {"low": 1, "high": 2.5}}), "search.parameters[optimizer.epochs]", "whole number"),
        (_body({"optimizer.head_lr": {"low": 1e-4}}), "search.parameters.optimizer.head_lr", "needs choices, or both"),
        (_body({"optimizer.head_lr": RATE | {"choices": [1]}}), "search.parameters.optimizer.head_lr", "use one of"),
        (_body({"optimizer.head_lr": {"low": 1, "high": 0}}), "search.parameters.optimizer.head_lr", "less than high"),
        (_body({"optimizer.head_lr": RATE | {"low": 0}}), "search.parameters.optimizer.head_lr", "low above 0"),
        (_body({"optimizer.head_lr": RATE | {"high": 7}}), "search.parameters[optimizer.head_lr].high", "got 7.0"),
        (
            _body({"freeze.policy": {"choices": ["none", "some"]}}),
            "search.parameters[freeze.policy].choices[1]",
            "'some'",
        ),
        (_body({"tasks.mood.weight": {"choices": [1, 0]}}), "search.parameters[tasks.mood.weight].choices[1]", "got 0"),
        (_body({"freeze.layers": {"low": 0, "high": 1}}), "search.parameters", "with freeze.layers 1: freeze.layers"),
        (
            _body({"freeze.policy": {"choices": ["none", "backbone"]}, "lora.rank": {"low": 2, "high": 8}}),
            "search.parameters",
            "with freeze.policy 'backbone', lora.rank 2: lora",
        ),
        (_body({"optimizer.head_lr": RATE}, sampler="grid"), "search.parameters[optimizer.head_lr]", "a grid needs"),
        (
            _body({"optimizer.epochs": {"low": 1, "high": 9}}, sampler="grid", trials=6),
            "search.trials",
            "is 6, but the grid has 9 points",
        ),
        (_body({"optimizer.head_lr": RATE}, metric={"mood": 1}), "search.metric", "'mood' is not TASK.FIGURE"),
        (_body({"optimizer.head_lr": RATE}, metric={"mood.f2": 1}), "search.metric", "one of the figures"),
        (
            _body({"optimizer.head_lr": RATE}, metric={"mood.micro_f1": 1}),
            "search.metric[mood.micro_f1]",
            "a single_label task has no micro_f1",
        ),
        (_body({"optimizer.head_lr": RATE}, metric={"moo.ece": 1}), "search.metric[moo.ece]", "not one of the job's"),
    ],
)
def test_search_with_one_fault_names_field_and_reason(body: dict[str, Any], field: str, text: str) -> None:
    """A search runs for hours; its mistakes must be told in the second in which it is sent."""
    with pytest.raises(InvalidInputError) as error:
        parse_spec(body)
    assert [violation.field for violation in error.value.violations] == [field]
    assert text in error.value.violations[0].description


def test_search_with_several_faults_names_all_of_them() -> None:
    """Also beside those of the job itself."""
    body = _body({"optimizer.lr": RATE, "optimizer.warmup": {"low": 0, "high": 1}}, metric={"x.ece": 1})
    body["optimizer"] = {"clip": -1}
    with pytest.raises(InvalidInputError) as error:
        parse_spec(body)
    assert {violation.field for violation in error.value.violations} == {
        "optimizer.clip",
        "search.metric[x.ece]",
        "search.parameters[optimizer.lr]",
        "search.parameters[optimizer.warmup].high",
    }


def test_search_over_fields_that_depend_on_each_other_takes_them_as_a_part() -> None:
    """The way that the message of a misfit recommends."""
    choices = [{"policy": "none"}, {"policy": "layers", "layers": 1}, {"policy": "heads", "heads": ["mood"]}]
    spec = parse_spec(_body({"freeze": {"choices": choices}, "tasks.topic.weight": {"choices": [1, 2.5]}}))
    assert spec.search is not None
    values = {"freeze": choices[1], "tasks.topic.weight": 2.5, "lora.rank": 3}
    trial = JobSpec.model_validate(apply_values(spec.model_dump(), values))
    assert (trial.freeze.policy, trial.freeze.layers, trial.tasks[1].weight) == ("layers", 1, 2.5)
    assert trial.lora is not None
    assert (trial.lora.rank, trial.lora.alpha, trial.search) == (3, 16.0, None)
    assert spec.tasks[1].weight == 1.0, "the job's own spec stays as it is"


def test_search_is_the_same_whatever_the_order_of_its_parameters() -> None:
    """Maps come off the wire in any order; samplers draw in that of the spec."""
    names = ["optimizer.warmup", "optimizer.head_lr", "optimizer.clip"]
    specs = [parse_spec(_body(dict.fromkeys(order, RATE))) for order in (names, names[::-1])]
    assert [list(spec.search.parameters) for spec in specs if spec.search] == [sorted(names)] * 2


def test_grid_has_every_combination_once() -> None:
    """Both ends belong to a range, also where a step is no binary fraction."""
    search = SearchSpec.model_validate(
        {
            "parameters": {
                "optimizer.epochs": {"low": 1, "high": 3},
                "optimizer.warmup": {"low": 0.1, "high": 0.3, "step": 0.1},
                "freeze.policy": {"choices": ["none", "backbone"]},
            }
        }
    )
    kinds = {path: field_kind(JobSpec, path) for path in search.parameters}
    points = grid_points(search, kinds)
    assert len(points) == len({str(point) for point in points}) == 3 * 3 * 2
    assert points[1] == {"freeze.policy": "none", "optimizer.epochs": 1, "optimizer.warmup": 0.2}
    assert points[-1] == {"optimizer.epochs": 3, "optimizer.warmup": 0.3, "freeze.policy": "backbone"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("optimizer.head_lr", float),
        ("optimizer.epochs", int),
        ("lora.rank", int),
        ("freeze.policy", str),
        ("baselines", bool),
        ("freeze", None),
        ("freeze.heads", None),
        ("tasks.mood.weight", float),
        ("tasks.mood.data.label_map.yes", str),
    ],
)
def test_field_kind_follows_the_path(path: str, kind: type | None) -> None:
    """Also into parts that may be left out, tasks and maps."""
    assert field_kind(JobSpec, path) is kind


def test_field_kind_of_a_path_beyond_a_field_fails() -> None:
    """The message says where the path went wrong."""
    with pytest.raises(UnknownFieldError, match=r"optimizer\.head_lr has no fields, so not 'x'"):
        field_kind(JobSpec, "optimizer.head_lr.x")
