"""The whole job spec, and what must fit between its parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from shared.errors import Violation
from shared.spec.base import BaseSpec
from shared.spec.caching import CacheSpec
from shared.spec.checkpointing import CheckpointSpec
from shared.spec.data import SplitSpec
from shared.spec.distributed import DistributedSpec, distributed_misfits
from shared.spec.freezing import FreezeSpec, freeze_misfits
from shared.spec.gating import GateSpec, PublishSpec, gate_misfits
from shared.spec.lora import LoraSpec, lora_misfits
from shared.spec.multi_label import balanced_misfits
from shared.spec.optimizing import OptimizerSpec
from shared.spec.part import SpecPart, sequence
from shared.spec.rates import LayerwiseSpec, rate_misfits
from shared.spec.sampling import SamplingSpec, sampling_misfits
from shared.spec.searching import SearchSpec
from shared.spec.stopping import StoppingSpec, stopping_misfits
from shared.spec.tasks import TaskSpec, task_misfits


class JobSpec(SpecPart):
    """Everything a training job needs to be run again with the same outcome."""

    base: BaseSpec = BaseSpec()
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
    #: Adapters in place of full training of the encoder; None: no adapters.
    lora: LoraSpec | None = None
    cache: CacheSpec = CacheSpec()
    gate: GateSpec = GateSpec()
    publish: PublishSpec = PublishSpec()
    #: Trials with other values of the fields above; None: one training with these.
    search: SearchSpec | None = None
    #: Validation during training, with early stopping; None: train to the end and keep the last weights.
    stopping: StoppingSpec | None = None
    checkpoint: CheckpointSpec = CheckpointSpec()
    distributed: DistributedSpec = DistributedSpec()

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
            raise ValueError(summary(found))
        return self


def misfits(body: Mapping[str, Any]) -> Iterator[Violation]:
    """What fits no other part of the spec, though each part may be well formed. Skips parts that are not."""
    tasks = [task if isinstance(task, Mapping) else {} for task in sequence(body.get("tasks"))]
    names = [task.get("name") for task in tasks]
    if "tasks" in body and not tasks:
        yield Violation("tasks", "is empty; name at least one task")
    yield from task_misfits(tasks)
    freeze = body.get("freeze")
    if isinstance(freeze, Mapping):
        yield from freeze_misfits(freeze, names)
    sampling = body.get("sampling")
    if isinstance(sampling, Mapping):
        yield from sampling_misfits(sampling)
        yield from balanced_misfits(sampling, tasks)
    distributed = body.get("distributed")
    if isinstance(distributed, Mapping):
        yield from distributed_misfits(distributed, body.get("search"))
    lora = body.get("lora")
    if isinstance(lora, Mapping):
        yield from lora_misfits(lora, freeze if isinstance(freeze, Mapping) else {})
    rates = body.get("layerwise_lr")
    if isinstance(rates, Mapping):
        yield from rate_misfits(rates, freeze, names)
    gate = body.get("gate")
    if isinstance(gate, Mapping):
        yield from gate_misfits(gate, names)
    stopping = body.get("stopping")
    if isinstance(stopping, Mapping):
        yield from stopping_misfits(stopping, tasks)


def summary(violations: Iterable[Violation]) -> str:
    """All violations in one line."""
    return "; ".join(f"{v.field}: {v.description}" for v in violations)
