"""How many epochs and steps a training has, and which batches make a step. A pure function of rows and spec."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from shared.spec import JobSpec
from worker.training.batches import epoch_batches
from worker.training.corpus import Corpus, Indices


@dataclass(frozen=True, slots=True)
class Step:
    """One update of the weights. `batches` go through the model one after the other; their gradients are summed up."""

    number: int
    #: The epoch that it belongs to, and how many are done after it.
    epoch: int
    epochs_done: float
    batches: list[Indices]

    @property
    def num_rows(self) -> int:
        return sum(len(batch) for batch in self.batches)


class StepPlan:
    """All steps of a training: as many epochs as the spec says, and whole ones more until there are its `min_steps`."""

    def __init__(self, corpus: Corpus, spec: JobSpec) -> None:
        self._corpus = corpus
        self._spec = spec
        #: The number of the first step of each epoch.
        self.epoch_starts: list[int] = []
        self.steps = 0
        #: Rows drawn in all of them.
        self.num_rows = 0
        optimizer = spec.optimizer
        while self.epochs < optimizer.epochs or self.steps < optimizer.min_steps:
            batches = self._batches(self.epochs)
            self.epoch_starts.append(self.steps)
            self.steps += -(-len(batches) // optimizer.accumulate)
            self.num_rows += sum(len(batch) for batch in batches)

    @property
    def epochs(self) -> int:
        return len(self.epoch_starts)

    def steps_from(self, number: int = 0) -> Iterator[Step]:
        """Step `number` and all after it: a resumed training sees the steps that it would have seen."""
        if number >= self.steps:
            return
        width = self._spec.optimizer.accumulate
        for epoch in range(bisect_right(self.epoch_starts, number) - 1, self.epochs):
            batches = self._batches(epoch)
            for start in range(0, len(batches), width):
                own = batches[start : start + width]
                step = self.epoch_starts[epoch] + start // width
                if step >= number:
                    yield Step(step, epoch, epoch + (start + len(own)) / len(batches), own)

    def _batches(self, epoch: int) -> list[Indices]:
        return epoch_batches(self._corpus, self._spec.optimizer, self._spec.sampling, epoch)
