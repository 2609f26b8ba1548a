"""Trains a prepared model: runs the loop, and tells how it goes and how it went.

Owns what progress and report say of stages. Runs in the trainer's main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.plan import depth_name, stage_name
from shared.spec import JobSpec
from worker.training.checkpointing import CheckpointKeeper
from worker.training.freezing import count_parameters, enter_train_mode
from worker.training.layers import num_layers
from worker.training.loop import StepDone, TrainingLoop
from worker.training.monitor import Monitor
from worker.training.precision import Compute
from worker.training.preparation import Prepared
from worker.training.progress import ProgressReporter
from worker.training.ranks.following import following, share_start
from worker.training.ranks.group import SOLO, Group
from worker.training.rates import RateGroup
from worker.training.sources import StageSources
from worker.training.thawing import TrainingStage
from worker.training.vectors import VectorSource


def fit(
    prepared: Prepared,
    groups: list[RateGroup],
    spec: JobSpec,
    compute: Compute,
    progress: ProgressReporter,
    on_epoch: Callable[[int], None] | None = None,
    keeper: CheckpointKeeper | None = None,
    ranks: Group = SOLO,
) -> dict[str, Any]:
    """Train in place; how long it was, what was trained when and how it went, for the report.

    `on_epoch` hears how many epochs are done after each but the last; it may use the model, also in eval mode.
    `keeper` saves the training's state, and knows where an interrupted one goes on. Of several `ranks` the first one
    alone has a keeper, validates and decides when to stop.

    Raises:
        DivergedError: if training diverges.
    """
    corpus = prepared.corpora.train
    loop = TrainingLoop(prepared.model, corpus, groups, spec, compute, prepared.class_weights, ranks)
    log = _StageLog(prepared, groups, loop)
    monitor = Monitor(prepared, groups, loop, following(ranks, spec), compute, progress, keeper, {"stages": log})
    first_step = share_start(ranks, monitor.begin(), groups, loop.optimization.optimizer)
    sources = StageSources(prepared.model, corpus, compute, spec.cache.mib, prepared.kept)

    def on_stage(stage: TrainingStage) -> VectorSource:
        draws = loop.plan.num_rows * (stage.end - stage.first) / loop.plan.steps
        vectors = sources.enter(stage, draws, progress)
        rows_left = loop.plan.num_rows - monitor.rows
        progress.start("training", steps=loop.plan.steps, num_examples=rows_left, done=max(stage.first, first_step))
        progress.tell_thawed(*log.enter(stage))
        return vectors

    def on_step(done: StepDone) -> bool:
        must_stop = monitor.after(done)
        if spec.stopping is not None:
            must_stop = ranks.agree(must_stop)
        progress.advance(examples=done.rows, epoch=done.epoch, losses=done.loss_by_task, ends=must_stop)
        if on_epoch is not None and done.epoch.is_integer() and done.epoch < loop.plan.epochs:
            on_epoch(int(done.epoch))
            enter_train_mode(prepared.model)
        return must_stop

    loop.run(on_stage, on_step, first_step)
    shape = {"epochs": loop.plan.epochs, "steps": loop.plan.steps}
    return {**shape, **log.describe(monitor.steps), "cache": sources.describe(), **monitor.end()}


class _StageLog:
    """The stages as they are entered, in the words of the report."""

    def __init__(self, prepared: Prepared, groups: list[RateGroup], loop: TrainingLoop) -> None:
        self._groups = groups
        self._model = prepared.model
        self._thawing, self._optimization = loop.thawing, loop.optimization
        self._layers = num_layers(prepared.model.encoder)
        self._has_adapters = prepared.adapters is not None
        self._entered: list[dict[str, Any]] = []

    def enter(self, stage: TrainingStage) -> tuple[str, float]:
        """Call it when the stage's freezing is done; its name and the share of parameters that it trains."""
        name = stage_name(stage.lowest, self._layers, self._has_adapters)
        trainable, total = count_parameters(self._model)
        share = round(trainable / total, 6)
        row = {"first_step": stage.first + 1, "last_step": stage.end, "trained": name}
        if all(there["first_step"] != row["first_step"] for there in self._entered):  # a resumed training enters again
            self._entered.append({**row, "trainable_parameters": trainable, "trainable_share": share})
        return name, share

    def describe(self, steps: int) -> dict[str, Any]:
        """After `steps` steps. `lr` of a rate group is its rate before the schedule, `peak_lr` the highest it had."""
        entered = {row["first_step"] for row in self._entered}
        missed = [stage.lowest for stage in self._thawing.stages if stage.first + 1 not in entered]  # stopped early
        thaws = [self._thawing.thaw_of(group.depth) for group in self._groups]
        rates = zip(self._groups, thaws, self._optimization.peak_rates(steps), strict=True)
        return {
            "learning_rates": [
                {**group.describe(), "peak_lr": peak, "from_step": stage.first + 1}
                for group, stage, peak in rates
                if stage is not None and stage.lowest not in missed
            ],
            "trainable_parameters": self._entered[-1]["trainable_parameters"],
            "stages": self._entered,
            "stages_not_reached": [depth_name(depth) for depth in (*missed, *self._thawing.not_reached)],
        }

    def state(self) -> dict[str, Any]:
        return {"entered": list(self._entered)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._entered = list(state["entered"])
