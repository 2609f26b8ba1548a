"""Fields of a spec by their path: `optimizer.head_lr`, `tasks.NAME.weight`, `lora.rank`. Pure."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from shared.spec.part import sequence


class UnknownFieldError(ValueError):
    """A path that leads to no field; the message names what there is at the place where it stops."""


def field_kind(root: type[BaseModel], path: str) -> type | None:
    """int, float, bool or str of a plain field; None of any other: a list, or a whole part of the spec.

    Raises:
        UnknownFieldError: if `root` has no such field.
    """
    kind: Any = root
    done: list[str] = []
    for part in path.split("."):
        kind = _step(kind, part, ".".join(done) or "the spec")
        done.append(part)
    if get_origin(kind) is Literal:
        return str
    return kind if kind in (int, float, bool, str) else None


def with_value(body: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of `body` in which the field at `path` has `value`; parts that it lacks are added.

    Raises:
        UnknownFieldError: if the path names a task that is not there, or leads through something else than parts.
    """
    head, _, rest = path.partition(".")
    if not rest:
        return {**body, head: value}
    if head == "tasks":
        name, _, rest = rest.partition(".")
        tasks = list(sequence(body.get("tasks")))
        names = [task.get("name") if isinstance(task, Mapping) else None for task in tasks]
        if name not in names:
            known = ", ".join(str(known) for known in names if known)
            raise UnknownFieldError(f"there is no task {name!r}; the job's tasks: {known or 'none'}")
        number = names.index(name)
        tasks[number] = with_value(tasks[number], rest, value) if rest else value
        return {**body, "tasks": tasks}
    part = body.get(head) or {}
    if not isinstance(part, Mapping):
        raise UnknownFieldError(f"{head} is {part!r}, which has no fields")
    return {**body, head: with_value(part, rest, value)}


def _step(kind: Any, part: str, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if part not in kind.model_fields:
            raise UnknownFieldError(f"{where} has no field {part!r}; it has {', '.join(kind.model_fields)}")
        return _bare(kind.model_fields[part].annotation)
    if get_origin(kind) is dict:
        return _bare(get_args(kind)[1])
    if get_origin(kind) is tuple and isinstance(get_args(kind)[0], type) and issubclass(get_args(kind)[0], BaseModel):
        return get_args(kind)[0]  # one of the tasks, by its name
    raise UnknownFieldError(f"{where} has no fields, so not {part!r}")


def _bare(annotation: Any) -> Any:
    """Without what may be left out (`X | None`) and without constraints."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return _bare(kinds[0]) if len(kinds) == 1 else annotation
    return annotation
