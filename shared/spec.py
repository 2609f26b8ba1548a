"""The job spec: what to train, on which data, how. The one definition that wire, recipes, records and trainer share.

Every model is frozen, keyword-only and validated on construction; `parse_spec` reports all violations at once.
Field names and defaults are the recipe format, the stored `jobs/<id>/spec.json` and (as protobuf) the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from shared.errors import InvalidInputError, Violation

#: Task and label names travel in file names, tensor names and tables, so they stay simple.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=False)


class DataSpec(_Model):
    """Where one task's rows are. Paths are relative to a data root of the worker, or absolute below one."""

    #: A file (CSV, TSV, JSONL, Parquet) or, for the TweetEval layout, its folder.
    train: Annotated[str, StringConstraints(min_length=1)]
    #: Held-out files; where empty, rows are split off `train` without leaking near-duplicates.
    validation: str = ""
    test: str = ""
    #: A named layout that knows columns, label map and quirks of one public data set.
    preset: Literal["", "tweet-sentiment", "hate-speech-curated"] = ""
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "tweeteval"] = "auto"
    text_column: str = "text"
    label_column: str = "label"
    #: Value in the file -> label. Empty: the values are the labels.
    label_map: dict[str, Label] = {}
    #: A Python codec name, or auto: UTF-8 (with or without BOM), else what detection says.
    encoding: str = "auto"
    #: Keep a seeded sample of this many rows, stratified by label, before splitting; 0 keeps all.
    max_rows: Annotated[int, Field(ge=0)] = 0

    @field_validator("encoding")
    @classmethod
    def _known_codec(cls, value: str) -> str:
        if value != "auto":
            try:
                "".encode(value)
            except LookupError:
                raise ValueError(
                    f"no such encoding: {value!r}; use auto or a Python codec name such as latin-1"
                ) from None
        return value


class TaskSpec(_Model):
    """One classification head: its name, its labels in output order, its data."""

    name: Name
    labels: tuple[Label, ...]
    data: DataSpec
    #: Factor of the task's loss in the sum over tasks (Kurin et al. 2022: cleverer schemes do not beat it).
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0

    @field_validator("labels")
    @classmethod
    def _at_least_two_different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) < 2:
            raise ValueError(f"a task needs at least 2 labels, this one has {len(value)}")
        twice = sorted({label for label in value if value.count(label) > 1})
        if twice:
            raise ValueError(f"labels must differ; named more than once: {', '.join(twice)}")
        return value


class FreezeSpec(_Model):
    """Which parameters stay as they are; the others are trained.

    none: nothing. all: everything, the job evaluates and calibrates only. backbone: the encoder. layers: the embeddings
    and the lowest `layers` layers. heads: the named heads, which every other policy but `all` may name as well.
    """

    policy: Literal["none", "all", "backbone", "layers", "heads"] = "none"
    layers: Annotated[int, Field(ge=0, le=1000)] = 0
    heads: tuple[Name, ...] = ()


class LayerwiseSpec(_Model):
    """Layer-wise learning rates of the encoder (Howard & Ruder 2018, discriminative fine-tuning).

    anchor bottom: embeddings get `base_lr`, each layer above 1/decay times the one below.
    anchor top: the top layer gets `base_lr`, each layer below decay times the one above, embeddings last.
    """

    anchor: Literal["bottom", "top"] = "bottom"
    base_lr: Annotated[float, Field(gt=0, le=1)] = 1e-5
    decay: Annotated[float, Field(gt=0, le=1)] = 0.95


class OptimizerSpec(_Model):
    """AdamW with linear warm-up and linear decay to zero (Devlin et al. 2019, appendix A.2)."""

    head_lr: Annotated[float, Field(gt=0, le=1)] = 1e-4
    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    #: Add whole epochs to `epochs` until there are at least so many steps: a few hundred rows need more passes.
    min_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    #: Upper bound of rows x longest row in one batch, in tokens with padding.
    tokens_per_batch: Annotated[int, Field(ge=16, le=1_000_000)] = 2048
    rows_per_batch: Annotated[int, Field(ge=1, le=4096)] = 32
    #: Share of all steps in which the rates rise from zero.
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    #: Largest gradient norm; 0 does not clip.
    clip: Annotated[float, Field(ge=0)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 13
    #: auto: bfloat16 where the device computes it natively, else float32.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class SamplingSpec(_Model):
    """How rows are drawn within a task: as they are, or each label equally often."""

    within: Literal["natural", "class_balanced"] = "natural"


class SplitSpec(_Model):
    """Shares that are split off `train` where a task names no validation or test file."""

    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    test: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 13


class JobSpec(_Model):
    """Everything a training job needs to be run again with the same outcome."""

    tasks: tuple[TaskSpec, ...]
    freeze: FreezeSpec = FreezeSpec()
    layerwise_lr: LayerwiseSpec = LayerwiseSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    sampling: SamplingSpec = SamplingSpec()
    split: SplitSpec = SplitSpec()
    #: Truncation while training, in tokens with the special ones; 0: the base model's own limit.
    max_tokens: Annotated[int, Field(ge=0, le=8192)] = 0
    #: Also score a majority and a TF-IDF + logistic-regression baseline on the same test rows.
    baselines: bool = True

    @field_validator("max_tokens")
    @classmethod
    def _room_for_text(cls, value: int) -> int:
        if 0 < value < 8:
            raise ValueError("use 0 for the model's own limit, or at least 8 tokens")
        return value

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        found = list(misfits(self.model_dump()))
        if found:
            raise ValueError(_summary(found))
        return self


def misfits(body: Mapping[str, Any]) -> Iterator[Violation]:
    """What fits no other part of the spec, though each part may be well formed. Skips parts that are not."""
    tasks = [task if isinstance(task, Mapping) else {} for task in _sequence(body.get("tasks"))]
    names = [task.get("name") for task in tasks]
    if "tasks" in body and not tasks:
        yield Violation("tasks", "is empty; name at least one task")
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            yield Violation(f"tasks[{index}].name", f"{name!r} is the name of an earlier task; names must differ")
    for index, task in enumerate(tasks):
        yield from _label_map_misfits(index, task)
    freeze = body.get("freeze")
    if isinstance(freeze, Mapping):
        yield from _freeze_misfits(freeze, names)


def _label_map_misfits(index: int, task: Mapping[str, Any]) -> Iterator[Violation]:
    data, labels = task.get("data"), _sequence(task.get("labels"))
    label_map = data.get("label_map") if isinstance(data, Mapping) else None
    for value, label in label_map.items() if isinstance(label_map, Mapping) else ():
        if label not in labels:
            known = ", ".join(map(str, labels))
            yield Violation(f"tasks[{index}].data.label_map[{value}]", f"{label!r} is not one of labels: {known}")


def _freeze_misfits(freeze: Mapping[str, Any], names: Sequence[Any]) -> Iterator[Violation]:
    heads = _sequence(freeze.get("heads"))
    policy = freeze.get("policy", "none")
    if policy == "heads" and not heads:
        yield Violation("freeze.heads", "is empty; policy heads needs the names of the heads that stay as they are")
    if policy == "all" and heads:
        yield Violation("freeze.heads", "is not needed: policy all freezes every head")
    if policy != "layers" and freeze.get("layers"):
        yield Violation("freeze.layers", f"goes with policy layers, not with {policy} (got {freeze['layers']!r})")
    for index, head in enumerate(heads):
        if head not in names:
            yield Violation(f"freeze.heads[{index}]", f"{head!r} is not one of the job's tasks")


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def parse_spec(body: Mapping[str, Any]) -> JobSpec:
    """Build a spec from a plain dictionary (a recipe, a stored record, a converted message).

    Raises:
        InvalidInputError: with one violation for each thing that is wrong.
    """
    try:
        return JobSpec.model_validate(body)
    except ValidationError as error:
        # The whole's own check runs only if all parts are well formed, so it is asked here in any case.
        malformed = (
            Violation(_path(e["loc"]), _describe(e["msg"], e.get("input"))) for e in error.errors() if e["loc"]
        )
        violations = (*malformed, *misfits(body))
        raise InvalidInputError(f"the job spec is not valid: {_summary(violations)}", violations) from None


def _summary(violations: Iterable[Violation]) -> str:
    return "; ".join(f"{v.field}: {v.description}" for v in violations)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _describe(message: str, value: object) -> str:
    message = message.removeprefix("Value error, ")
    return f"{message} (got {value!r})" if isinstance(value, str | int | float | bool) else message
