"""Where the sentence vectors of each stage of a training come from: computed whole, or above kept outputs.

Owns the choice and its reasons, for the report; what is kept is worker.training.cached_vectors.
"""

from __future__ import annotations

from typing import Any

from shared.errors import BaseModelError
from shared.model import MultiTaskModel
from worker.training.cached_vectors import MIB, CachedVectors, HiddenStates, SentenceVectors
from worker.training.corpus import Corpus
from worker.training.kept_vectors import KeptVectors
from worker.training.layers import depth_by_parameter, num_layers
from worker.training.precision import Compute
from worker.training.progress import ProgressReporter
from worker.training.thawing import TrainingStage
from worker.training.vectors import VectorSource, encode_batch


class StageSources:
    """Enter the stages in order; one has kept outputs at a time."""

    def __init__(
        self, model: MultiTaskModel, corpus: Corpus, compute: Compute, budget_mib: int, kept: KeptVectors
    ) -> None:
        """`kept`: sentence vectors of earlier trainings, which are within the budget too."""
        self._model, self._corpus, self._compute = model, corpus, compute
        self._budget_bytes = budget_mib * MIB
        self._kept = kept
        self._cached: CachedVectors | None = None
        self._told: list[dict[str, Any]] = []

    def enter(self, stage: TrainingStage, draws: float, progress: ProgressReporter) -> VectorSource:
        """The source for `stage`, in which so many rows are drawn; its parameters are frozen already.

        May leave the model in eval mode.
        """
        self._leave()
        cached, reason = self._choose(draws)
        if cached is None or not cached.num_rows:
            note = {"first_step": stage.first + 1, "kept": "nothing", "because": reason or "cache.mib holds no row"}
            self._told += [note] if reason or cached else []
            return lambda batch: encode_batch(self._model, self._corpus, self._compute, batch)
        self._cached = cached
        self._told.append({"first_step": stage.first + 1})
        if not cached.is_filled:
            progress.start("encoding", steps=cached.num_rows, num_examples=cached.num_rows)
            self._model.eval()
            cached.fill(lambda rows: progress.advance(rows, examples=rows))
        return cached

    def describe(self) -> list[dict[str, Any]]:
        """For each stage with frozen layers: what was kept and how often it was used, or why nothing was."""
        self._leave()
        return self._told

    def _choose(self, draws: float) -> tuple[CachedVectors | None, str]:
        depths = depth_by_parameter(self._model.encoder)
        trained = [depths[name] for name, p in self._model.encoder.named_parameters() if p.requires_grad]
        frozen_layers = min(trained, default=num_layers(self._model.encoder) + 1) - 1
        if frozen_layers < 1:
            return None, ""
        if not self._budget_bytes:
            return None, "cache.mib is 0"
        if not trained:
            return SentenceVectors(self._model, self._corpus, self._compute, self._budget_bytes, self._kept), ""
        if draws <= len(self._corpus):
            return None, "no row is drawn twice while these layers are frozen"
        self._kept.drop()  # the budget is for one of both
        try:
            args = (self._model, self._corpus, self._compute, frozen_layers, self._budget_bytes)
            return HiddenStates(*args), ""
        except BaseModelError as error:
            return None, error.message

    def _leave(self) -> None:
        """Drop what is kept before anything else is: the budget is for both."""
        if self._cached is not None:
            self._told[-1] |= self._cached.describe()
            self._cached.release()
            self._cached = None
