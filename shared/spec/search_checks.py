"""What is wrong with a search: fields that are not there, values that no spec may have, combinations that do not fit.

Found when a job is accepted, since a search that fails in its ninth trial has cost eight. Pure.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from shared.errors import Violation
from shared.spec.candidates import apply_values, grid_values
from shared.spec.part import sequence
from shared.spec.paths import UnknownFieldError, field_kind, with_value
from shared.spec.searching import MAX_GRID_POINTS, SearchParameter, SearchSpec
from shared.spec.stopping import FIGURES as STOPPING_FIGURES

#: What is wrong with a spec: in its parts, and between them.
Check = Callable[[Mapping[str, Any]], tuple[list[Violation], list[Violation]]]
Kinds = dict[str, type | None]

#: What validation rows tell of a task, by its kind.
_FIGURES = {"single_label": (*STOPPING_FIGURES["single_label"], "ece"), "multi_label": STOPPING_FIGURES["multi_label"]}
#: Trials share the rows as they were read and split, and are judged by the same rows with the same labels.
_FIXED = ("tasks.*.name", "tasks.*.kind", "tasks.*.labels", "tasks.*.data", "split", "base", "baselines")
#: These say what is done with the outcome, or where it is computed.
_OTHER = ("search", "distributed", "gate", "publish", "cache", "checkpoint")
#: So many combinations are tried out, each in 0.1 ms (2026-11): what does not fit does so in pairs nearly always.
_CHECKED_COMBINATIONS = 200


def search_violations(
    body: Mapping[str, Any], search: SearchSpec, root: type[BaseModel], check: Check
) -> Iterator[Violation]:
    """All of it. `body`: the job's spec as plain data, of which `root` is the model and `check` the judge."""
    yield from _metric_violations(body, search)
    kinds: Kinds = {}
    for path, parameter in search.parameters.items():
        hint, kind = _unfit(body, root, path, parameter)
        if hint:
            yield Violation(_where(path), hint)
        else:
            kinds[path] = kind
    yield from _trial_violations(body, search, kinds, check)
    if search.sampler == "grid" and len(kinds) == len(search.parameters):
        yield from _grid_violations(search, kinds)


def fitness_violations(
    body: Mapping[str, Any], search: SearchSpec, root: type[BaseModel], check: Check
) -> Iterator[Violation]:
    """What another judge than the spec's own finds in the values to try. Skips fields that cannot be searched so."""
    found = {path: _unfit(body, root, path, parameter) for path, parameter in search.parameters.items()}
    kinds = {path: kind for path, (hint, kind) in found.items() if not hint}
    yield from _trial_violations(body, search, kinds, check)


def _trial_violations(body: Mapping[str, Any], search: SearchSpec, kinds: Kinds, check: Check) -> Iterator[Violation]:
    """Values that do not fit by themselves; if there are none, those that do not fit each other."""
    faults = list(_value_violations(body, search, kinds, check))
    yield from faults
    if not faults and check(apply_values(body, {})) == ([], []):
        yield from _combination_violations(body, search, kinds, check)


def _metric_violations(body: Mapping[str, Any], search: SearchSpec) -> Iterator[Violation]:
    tasks = [task for task in sequence(body.get("tasks")) if isinstance(task, Mapping)]
    kinds = {task.get("name"): str(task.get("kind", "single_label")) for task in tasks}
    for metric in search.metric:
        task, _, figure = metric.rpartition(".")
        if task not in kinds:
            yield Violation(f"search.metric[{metric}]", f"{task!r} is not one of the job's tasks")
        elif figure not in _FIGURES.get(kinds[task], (figure,)):
            known = ", ".join(_FIGURES[kinds[task]])
            yield Violation(f"search.metric[{metric}]", f"a {kinds[task]} task has no {figure}; it has {known}")


def _unfit(
    body: Mapping[str, Any], root: type[BaseModel], path: str, parameter: SearchParameter
) -> tuple[str, type | None]:
    """Why the field cannot be searched so, or nothing, and its kind."""
    parts = path.split(".")
    pattern = ".".join([parts[0], "*", *parts[2:]] if parts[0] == "tasks" else parts)
    try:
        kind = field_kind(root, path)
        with_value(body, path, None)
    except UnknownFieldError as error:
        return str(error), None
    if pattern == "tasks.*":
        return "names no field; use tasks.NAME.FIELD", kind
    if any(pattern == fixed or pattern.startswith(f"{fixed}.") for fixed in _FIXED):
        return "cannot be searched: all trials use the same rows and labels, so that they can be compared", kind
    if parts[0] in _OTHER:
        return "cannot be searched: it has no influence on what is learned", kind
    if parameter.choices:
        return "", kind
    if kind not in (int, float):
        return "is not a number, so it has no low and high; use choices", kind
    if kind is int and any(end != int(end) for end in (*parameter.bounds(), parameter.step or 1)):
        return "is a whole number, so low, high and step must be", kind
    return "", kind


def _value_violations(body: Mapping[str, Any], search: SearchSpec, kinds: Kinds, check: Check) -> Iterator[Violation]:
    """Choices and ends of ranges that the field itself may not have."""
    known = check(apply_values(body, {}))[0]
    for path in kinds:
        for name, value in _ends(search.parameters[path], kinds[path]):
            for violation in check(apply_values(body, {path: value}))[0]:
                if violation not in known:
                    yield Violation(f"{_where(path)}.{name}", f"{violation.field}: {violation.description}")


def _combination_violations(
    body: Mapping[str, Any], search: SearchSpec, kinds: Kinds, check: Check
) -> Iterator[Violation]:
    values = {path: [value for _, value in _ends(search.parameters[path], kind)] for path, kind in kinds.items()}
    size = math.prod(len(of_one) for of_one in values.values())
    # Odd: an even stride would meet one end only of a parameter that has two and runs fastest.
    stride = -(-size // _CHECKED_COMBINATIONS) | 1
    told: list[Violation] = []
    for point in itertools.islice(itertools.product(*values.values()), 0, None, stride):
        combination = dict(zip(values, point, strict=True))
        for violation in check(apply_values(body, combination))[1]:
            if violation not in told:
                told.append(violation)
                where = ", ".join(f"{path} {value!r}" for path, value in combination.items())
                yield Violation(
                    "search.parameters",
                    f"with {where}: {violation.field}: {violation.description}; fields that depend on each other vary "
                    "together as choices of the whole part, such as freeze",
                )


def _grid_violations(search: SearchSpec, kinds: Kinds) -> Iterator[Violation]:
    counts = []
    for path, parameter in search.parameters.items():
        values = grid_values(parameter, kinds[path])
        if values is None:
            yield Violation(_where(path), f"a grid needs choices, or a step with at most {MAX_GRID_POINTS} values")
        else:
            counts.append(len(values))
    size = math.prod(counts)
    if len(counts) == len(search.parameters) and size > search.trials:
        hint = f"is {search.trials}, but the grid has {size} points; raise it, or name fewer values"
        yield Violation("search.trials", hint)


def _ends(parameter: SearchParameter, kind: type | None) -> Iterator[tuple[str, Any]]:
    """Name and value of every choice, or of both ends of the range."""
    if parameter.choices:
        yield from ((f"choices[{index}]", value) for index, value in enumerate(parameter.choices))
    else:
        low, high = (int(end) if kind is int else end for end in parameter.bounds())
        yield from (("low", low), ("high", high))


def _where(path: str) -> str:
    return f"search.parameters[{path}]"
