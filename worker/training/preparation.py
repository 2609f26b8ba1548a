"""What happens before anything is trained: all data read and checked, the model built, the rows tokenized."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from shared.base_model import BaseModel, load_base_model
from shared.errors import InvalidInputError, Violation
from shared.model import MultiTaskModel, Task
from shared.model_files import build_model
from shared.spec import JobSpec
from shared.store.datasets import DatasetStore
from shared.text import TextEncoder
from worker.data.ledger import TaskData
from worker.data.loading import load_tasks
from worker.training.class_weights import class_weights
from worker.training.corpus import Corpora, tokenize
from worker.training.freezing import apply_freezing
from worker.training.kept_vectors import KeptVectors
from worker.training.lora import Adapters, add_adapters
from worker.training.parent import Parent
from worker.training.precision import Compute
from worker.training.progress import ProgressReporter


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model that is ready to be trained, frozen as the spec says, and the rows for it."""

    base: BaseModel
    model: MultiTaskModel
    corpora: Corpora
    #: For each task a factor for each of its labels; empty where the task has none.
    class_weights: Sequence[Sequence[float]] = ()
    #: Inside the model until they are merged; None where the spec asks for none.
    adapters: Adapters | None = None
    #: The same for all that one Preparation prepares.
    kept: KeptVectors = field(default_factory=KeptVectors)


def read_data(
    spec: JobSpec,
    roots: Sequence[Path],
    datasets: DatasetStore,
    progress: ProgressReporter,
    parent: Parent | None = None,
) -> list[TaskData]:
    """The data of all tasks, in their order, split together.

    Raises:
        DataError: if any of it cannot be used.
    """
    progress.start("reading data", steps=len(spec.tasks))
    say = partial(print, file=sys.stderr)
    known = parent.known if parent else {}
    return load_tasks(spec.tasks, spec.split, roots, known, say, progress.advance, datasets)


class Preparation:
    """Prepares models one after another, all for the same rows: tokens, and vectors of a frozen encoder, are kept."""

    def __init__(
        self, base_model: str, data: Sequence[TaskData], progress: ProgressReporter, parent: Parent | None = None
    ) -> None:
        """`parent`: the version to start from, in place of `base_model`."""
        self._base_model = base_model
        self._parent = parent
        self._data = data
        self._progress = progress
        self._tokenized: tuple[int, Corpora] | None = None
        self._kept = KeptVectors()

    def prepare(self, spec: JobSpec, compute: Compute) -> Prepared:
        """Load the base model or the parent; draw heads from the seed, or take over the parent's.

        Raises:
            BaseModelError: if the base model cannot be resolved, read or verified.
            InvalidInputError: if the spec asks for layers, modules or a longer window that the base model lacks.
        """
        self._progress.start("loading model")
        loaded = self._parent.load() if self._parent else None
        base = self._parent.base_model(loaded) if self._parent and loaded else load_base_model(self._base_model)
        window = _training_window(spec.max_tokens, base)
        torch.manual_seed(spec.optimizer.seed)
        model = build_model(base, [Task(task.name, task.labels, kind=task.kind) for task in spec.tasks]).to(
            compute.device
        )
        if self._parent and loaded:
            self._parent.start_heads(model, loaded, spec)
        apply_freezing(model, spec.freeze)
        adapters = add_adapters(model, spec.lora) if spec.lora else None
        rows = [own.train for own in self._data]
        weights = [class_weights(t.class_weights, t.labels, own) for t, own in zip(spec.tasks, rows, strict=True)]
        return Prepared(base, model, self._tokenize(base, window), weights, adapters, self._kept)

    def _tokenize(self, base: BaseModel, window: int) -> Corpora:
        if self._tokenized is not None and self._tokenized[0] == window:
            return self._tokenized[1]
        self._kept.drop()  # they are of the rows as they were cut before
        tokenizer = base.tokenizer_files["tokenizer.json"]
        # Held-out rows are cut where the server cuts, so that their figures are those of the served model.
        serving = TextEncoder(tokenizer, base.max_tokens)
        corpora = Corpora(
            train=tokenize([task.train for task in self._data], TextEncoder(tokenizer, window)),
            validation=tokenize([task.validation for task in self._data], serving),
            test=tokenize([task.test for task in self._data], serving),
        )
        self._tokenized = window, corpora
        return corpora


def _training_window(asked: int, base: BaseModel) -> int:
    if asked > base.max_tokens:
        problem = f"{asked} is more than the {base.max_tokens} tokens that {base.name} takes; use 0 for its own limit"
        raise InvalidInputError(f"max_tokens: {problem}", (Violation("max_tokens", problem),))
    return asked or base.max_tokens
