"""Which rows go together, and in which order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from shared.spec import OptimizerSpec, SamplingSpec
from worker.training.batches import cut, epoch_batches
from worker.training.corpus import Corpus

NATURAL, BALANCED = SamplingSpec(), SamplingSpec(within="class_balanced")


def _corpus(
    rows_by_task: tuple[int, ...] = (400, 100), shares: tuple[float, ...] = (0.9, 0.1), seed: int = 1
) -> Corpus:
    """Rows of several tasks with lengths between 3 and 60 tokens."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 61, size=sum(rows_by_task))
    return Corpus.of(
        ids=[[1] * int(length) for length in lengths],
        task_ids=np.repeat(np.arange(len(rows_by_task)), rows_by_task),
        label_ids=rng.choice(len(shares), p=shares, size=len(lengths)).astype(np.int64),
    )


def _optimizer(**fields: Any) -> OptimizerSpec:
    return OptimizerSpec(**{"rows_per_batch": 16, "tokens_per_batch": 400, **fields})


@pytest.mark.parametrize("sampling", [NATURAL, BALANCED])
def test_batches_of_the_same_seed_and_epoch_are_the_same(sampling: SamplingSpec) -> None:
    """A resumed job sees the very batches that the interrupted one would have seen."""
    corpus = _corpus()
    first, again = (epoch_batches(corpus, _optimizer(), sampling, epoch=3) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (
        epoch_batches(corpus, _optimizer(), sampling, epoch=4),
        epoch_batches(corpus, _optimizer(seed=99), sampling, epoch=3),
    ):
        assert not np.array_equal(np.concatenate(first), np.concatenate(other))


def test_batches_of_natural_sampling_hold_every_row_once() -> None:
    """Proportional across tasks: an epoch is a pass over all rows."""
    batches = epoch_batches(_corpus(), _optimizer(), NATURAL, epoch=0)
    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(500))


def test_batches_mix_tasks() -> None:
    """A batch of one task pulls the encoder to and fro; mixed ones average over the tasks."""
    corpus = _corpus((300, 300))
    batches = epoch_batches(corpus, _optimizer(), NATURAL, epoch=0)
    mixed = [len(np.unique(corpus.task_ids[batch])) == 2 for batch in batches]
    assert sum(mixed) > 0.9 * len(batches)


def test_batches_stay_within_both_bounds() -> None:
    """The bounds are what keeps memory in check."""
    corpus = _corpus()
    batches = epoch_batches(corpus, _optimizer(), NATURAL, epoch=0)
    assert max(len(batch) for batch in batches) == 16
    assert max(len(batch) * corpus.lengths[batch].max() for batch in batches) <= 400


def test_batches_of_neighbours_in_length_hardly_pad() -> None:
    """Padding is computed and thrown away: with random batches it would be about half of these tokens."""
    corpus = _corpus((3000, 1000))
    batches = epoch_batches(corpus, _optimizer(tokens_per_batch=100_000), NATURAL, epoch=0)
    padded = sum(len(batch) * int(corpus.lengths[batch].max()) for batch in batches)
    assert corpus.lengths.sum() / padded > 0.95


def test_batches_come_in_random_order_of_length() -> None:
    """Long rows first or last in every epoch would bias what is learned while the rate is high."""
    corpus = _corpus((3000, 1000))
    batches = epoch_batches(corpus, _optimizer(), NATURAL, epoch=0)
    longest = np.array([corpus.lengths[batch].max() for batch in batches], dtype=float)
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.2


def test_batches_of_balanced_sampling_draw_each_label_equally_often() -> None:
    """Within a task each label has the same share, to within one row; across tasks nothing changes."""
    corpus = _corpus((401, 100), shares=(0.85, 0.1, 0.05))
    drawn = np.concatenate(epoch_batches(corpus, _optimizer(), BALANCED, epoch=0))
    for task, num_rows in enumerate((401, 100)):
        counts = Counter(corpus.label_ids[drawn[corpus.task_ids[drawn] == task]].tolist())
        assert sum(counts.values()) == num_rows
        assert max(counts.values()) - min(counts.values()) <= 1


def test_batches_of_balanced_sampling_go_through_rare_rows_in_cycles() -> None:
    """No rare row is drawn twice before each was drawn once more, and no common row twice at all."""
    corpus = _corpus((500,), shares=(0.9, 0.1))
    drawn = np.concatenate(epoch_batches(corpus, _optimizer(), BALANCED, epoch=0))
    times = Counter(drawn.tolist())
    rare = [times[row] for row in range(500) if corpus.label_ids[row] == 1]
    assert max(rare) - min(rare) <= 1
    assert max(times[row] for row in range(500) if corpus.label_ids[row] == 0) == 1


def test_cut_with_a_row_longer_than_the_bound_gives_it_a_batch_of_its_own() -> None:
    """It must be trained on nevertheless, and must not spin the loop."""
    lengths = np.array([2, 3, 50, 4])
    batches = cut(np.arange(4), lengths, tokens_per_batch=10, rows_per_batch=8)
    assert [batch.tolist() for batch in batches] == [[0, 1], [2], [3]]


def test_cut_of_nothing_is_nothing() -> None:
    """An empty part has no batches."""
    assert cut(np.arange(0), np.arange(0), tokens_per_batch=10, rows_per_batch=8) == []
