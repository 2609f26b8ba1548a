"""Continuing from a version: which one is meant, and what becomes of the tasks that are served now.

Writes to stderr; never changes what a person wrote, but for the version's number that stands in place of an alias.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polyhead.arguments import version_of
from polyhead.cli.exits import UsageError
from polyhead.cli.output import errors_out
from polyhead.results import ServedModel, TaskInfo, Version

#: As many versions are looked through for an alias as one page of the server holds.
LOOKED_THROUGH = 500


def resolve_version(name: str, versions: Sequence[Version]) -> int:
    """The number that `name` stands for now: a number itself, `stable`, or an alias of the routing table.

    Raises:
        UsageError: if it is none of them; names those that there are.
    """
    if number := version_of("--base-version", name):
        return number
    for version in versions:
        if (name == "stable" and version.is_stable) or name in version.aliases:
            return version.number
    known = sorted({"stable", *(alias for version in versions for alias in version.aliases)})
    raise UsageError(f"--base-version {name}: neither a version's number nor one of {', '.join(known)}")


def continue_from(spec: dict[str, Any], version: int, *, is_direct: bool) -> None:
    """Let `spec` start from `version`. In the form with --task the encoder stays as it is unless --set says otherwise:
    the usual wish is to add a task and to leave the others alone."""
    spec["base"] = {**(spec.get("base") or {}), "version": version}
    if is_direct and spec.get("freeze") is None:
        spec["freeze"] = {"policy": "backbone"}
        errors_out.print(
            f"the encoder of version {version} stays as it is, so that its other tasks keep their answers; "
            "to train it too, name all tasks and add --set freeze.policy=none",
            soft_wrap=True,
        )


def announce(served: ServedModel | None, spec: Mapping[str, Any]) -> None:
    """Say on stderr what becomes of the served tasks once the model of `spec` has replaced them."""
    named = spec.get("tasks")
    tasks = [task for task in named if isinstance(task, Mapping)] if isinstance(named, list) else []
    if served is None or not tasks:
        return
    base = spec.get("base")
    version = base.get("version") or 0 if isinstance(base, Mapping) else 0
    carries = isinstance(base, Mapping) and base.get("carry") in (True, None)
    lines = list(_continued(served, tasks)) if version == served.version else []
    if version not in (0, served.version):
        lines.append(f"note: version {served.version} is served now, and the job continues from version {version}")
    elif lost := _lost(served, tasks, carries=carries and version > 0):
        lines.append(lost)
    for line in lines:
        errors_out.print(line, style="yellow", soft_wrap=True)


def _continued(served: ServedModel, tasks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    there = {task.name: task for task in served.tasks}
    for task in tasks:
        before = there.get(str(task.get("name")))
        if before is None:
            continue
        if _is_same(before, task):
            yield f"note: {before.name} goes on from the head that version {served.version} has"
        else:
            yield (
                f"note: {before.name} is replaced: version {served.version} has it as {before.kind} with the labels "
                f"{', '.join(before.labels)}, so its head is trained anew"
            )


def _is_same(before: TaskInfo, task: Mapping[str, Any]) -> bool:
    labels = [str(label) for label in task.get("labels") or ()]
    return before.kind == (task.get("kind") or "single_label") and list(before.labels) == labels


def _lost(served: ServedModel, tasks: Sequence[Mapping[str, Any]], *, carries: bool) -> str:
    names = [str(task.get("name")) for task in tasks]
    lost = [task.name for task in served.tasks if task.name not in names]
    if carries or not lost:
        return ""
    return (
        f"warning: the new model will have only this job's tasks ({', '.join(names)}). It replaces version "
        f"{served.version}, and {', '.join(lost)} will no longer be served. To keep them, put them into this job too, "
        f"or add to version {served.version} with --base-version stable"
    )


def lineage_notes(report: Mapping[str, Any]) -> Iterator[str]:
    """What a finished job took over from the version it continued from, and which figures flatter for it."""
    base = report.get("base")
    if not isinstance(base, Mapping):
        return
    words = {"continued": "gone on with", "carried": "kept as they were", "trained_anew": "trained anew"}
    told = [f"{words[name]}: {', '.join(base[name])}" for name in words if base.get(name)]
    yield f"continued from version {base.get('version')}" + (f"; {'; '.join(told)}" if told else "")
    for task, body in report.get("data", {}).items():
        known = body.get("known_held_out", {}) if isinstance(body, Mapping) else {}
        if known:
            counts = ", ".join(f"{rows} {part}" for part, rows in known.items() if rows)
            yield f"note: {task}: {counts} rows trained version {base.get('version')} already, so its figures flatter"
