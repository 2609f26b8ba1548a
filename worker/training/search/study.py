"""Which values the next trial takes, and which trial is given up: Optuna's samplers and pruners on a study in memory.

Owns the study, built anew from the records of finished trials by the same calls that made them, and the seeds: what a
trial takes is a function of (search, number, earlier trials), so an interrupted search goes on as it would have.
Imports optuna only when asked to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.spec import JobSpec, SearchParameter, SearchSpec
from shared.spec.candidates import Values, grid_points
from shared.spec.paths import field_kind
from worker.training.search.records import TrialRecord

if TYPE_CHECKING:
    import optuna

#: Trials drawn at random before TPE models them: Optuna's default, of few trials a third.
_STARTUP_TRIALS = 10


class Study:
    """Trials in their order, numbered from 1. `ask`, then any number of `is_behind`, then `tell`."""

    def __init__(self, search: SearchSpec) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._search = search
        kinds = {path: field_kind(JobSpec, path) for path in search.parameters}
        self._grid = grid_points(search, kinds) if search.sampler == "grid" else []
        self._distributions = {path: _distribution(p, kinds[path]) for path, p in search.parameters.items()}
        self._study = optuna.create_study(direction="maximize", pruner=_pruner(search))
        self._trial: Any = None
        #: How many trials there will be.
        self.trials = len(self._grid) if search.sampler == "grid" else search.trials

    def replay(self, records: Sequence[TrialRecord]) -> None:
        """Take over finished trials, the first ones of this study."""
        for record in records:
            self._ask(record.parameters)
            for epoch, value in enumerate(record.by_epoch, 1):
                self.is_behind(epoch, value)
            self.tell(record)

    def ask(self) -> Values:
        """The values of the next trial."""
        number = len(self._study.trials)
        if self._grid:
            return self._ask(self._grid[number])
        self._study.sampler = self._sampler(number)
        return self._ask(None)

    def is_behind(self, epoch: int, value: float) -> bool:
        """Whether the running trial, with `value` after `epoch` epochs, is to be given up."""
        self._trial.report(value, epoch)
        return bool(self._trial.should_prune())

    def tell(self, record: TrialRecord) -> None:
        """How the running trial ended."""
        from optuna.trial import TrialState

        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        value = record.value if record.state == "complete" else None
        self._study.tell(self._trial, value, states[record.state])

    def _ask(self, fixed: Values | None) -> Values:
        if fixed is not None:
            self._study.enqueue_trial({path: self._code(path, value) for path, value in fixed.items()})
        self._trial = self._study.ask(self._distributions)
        drawn = {path: self._trial.params[path] for path in self._distributions}
        return {path: self._decode(path, value) for path, value in drawn.items()}

    def _code(self, path: str, value: Any) -> Any:
        # Optuna's categories are simple values; ours may be whole parts, so it chooses among their places.
        choices = self._search.parameters[path].choices
        return choices.index(value) if choices else value

    def _decode(self, path: str, value: Any) -> Any:
        choices = self._search.parameters[path].choices
        return choices[value] if choices else value

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        import optuna

        seed = int(np.random.SeedSequence((self._search.seed, number)).generate_state(1)[0])
        if self._search.sampler == "random":
            return optuna.samplers.RandomSampler(seed)
        startup = min(_STARTUP_TRIALS, -(-self._search.trials // 3))
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)


def _distribution(parameter: SearchParameter, kind: type | None) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if parameter.choices:
        return CategoricalDistribution(range(len(parameter.choices)))
    low, high = parameter.bounds()
    if kind is int:
        step = int(parameter.step or 1)
        return IntDistribution(int(low), int(low) + int(high - low) // step * step, log=parameter.log, step=step)
    return FloatDistribution(low, high, log=parameter.log, step=parameter.step)


def _pruner(search: SearchSpec) -> optuna.pruners.BasePruner:
    import optuna

    if search.pruner == "median":
        # Two trials to compare with at the least, else the first one is the measure of all.
        return optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=0)
    if search.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1)
    return optuna.pruners.NopPruner()
