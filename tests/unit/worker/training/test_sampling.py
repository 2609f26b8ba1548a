"""How many rows of each task an epoch draws, for each way of sampling across tasks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from shared.spec import OptimizerSpec, SamplingSpec
from tests.tiny_rows import corpus_of_lengths
from worker.training.batches import epoch_batches
from worker.training.corpus import Indices
from worker.training.sampling import task_shares

OPTIMIZER = OptimizerSpec(rows_per_batch=16, tokens_per_batch=100_000)
ROUND_ROBIN = SamplingSpec(across="round_robin", mixing="one_task")
SIZES = [(400, 100), (50, 1000, 300), (7, 7), (1, 500)]


def _batches(sizes: tuple[int, ...], sampling: SamplingSpec, epoch: int = 0, **fields: Any) -> list[Indices]:
    return epoch_batches(corpus_of_lengths(sizes), OPTIMIZER.model_copy(update=fields), sampling, epoch)


def _rows_by_task(sizes: tuple[int, ...], batches: list[Indices]) -> list[int]:
    task_ids = corpus_of_lengths(sizes).task_ids
    return np.bincount(task_ids[np.concatenate(batches)], minlength=len(sizes)).tolist()


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("mixing", ["mixed", "one_task"])
@pytest.mark.parametrize("within", ["natural", "class_balanced"])
def test_proportional_sampling_draws_as_many_rows_as_each_task_has(
    sizes: tuple[int, ...], mixing: Any, within: Any
) -> None:
    """An epoch is one pass over the data, whatever shares a batch."""
    batches = _batches(sizes, SamplingSpec(mixing=mixing, within=within))
    assert _rows_by_task(sizes, batches) == list(sizes)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0, 1000.0])
@pytest.mark.parametrize("within", ["natural", "class_balanced"])
def test_temperature_sampling_draws_the_shares_of_the_formula(
    sizes: tuple[int, ...], temperature: float, within: Any
) -> None:
    """n^(1/T) of Raffel et al. 2020, to the row; and an epoch stays as long as the data."""
    sampling = SamplingSpec(across="temperature", temperature=temperature, within=within)
    drawn = _rows_by_task(sizes, _batches(sizes, sampling))
    weights = np.array(sizes) ** (1 / temperature)
    expected = weights / weights.sum() * sum(sizes)
    assert sum(drawn) == sum(sizes)
    assert np.abs(np.array(drawn) - expected).max() <= 1
    assert drawn == task_shares(list(sizes), temperature)


def test_temperature_sampling_goes_through_the_small_task_in_cycles() -> None:
    """Rows of a small task are drawn equally often (to within one), those of a large one at most once."""
    sizes = (400, 20)
    drawn = np.concatenate(_batches(sizes, SamplingSpec(across="temperature", temperature=5)))
    times = np.bincount(drawn, minlength=420)
    assert times[:400].max() == 1
    assert times[400:].min() >= 5
    assert times[400:].max() - times[400:].min() <= 1


@pytest.mark.parametrize("sizes", SIZES)
def test_round_robin_sampling_lets_batches_take_turns(sizes: tuple[int, ...]) -> None:
    """Task 0, 1, 2, 0, 1, 2, ...: every task steers every n-th step, however small it is."""
    batches = _batches(sizes, ROUND_ROBIN)
    task_ids = corpus_of_lengths(sizes).task_ids
    order = [set(task_ids[batch].tolist()) for batch in batches]
    assert order == [{turn % len(sizes)} for turn in range(len(batches))]
    one_pass = len(_batches(sizes, SamplingSpec(mixing="one_task")))
    assert one_pass <= len(batches) < one_pass + len(sizes)


def test_round_robin_sampling_repeats_no_row_before_all_were_drawn() -> None:
    """Each pass over the small task is a whole one."""
    batches = _batches((400, 20), ROUND_ROBIN)
    times = Counter(np.concatenate(batches).tolist())
    small = [times[row] for row in range(400, 420)]
    assert max(small) - min(small) <= 1
    assert min(small) > 1


@pytest.mark.parametrize("across", ["proportional", "temperature"])
def test_one_task_mixing_holds_rows_of_one_task_in_each_batch(across: Any) -> None:
    """What the name says; the tasks' batches come in random order."""
    sizes = (400, 300)
    batches = _batches(sizes, SamplingSpec(across=across, mixing="one_task"))
    task_ids = corpus_of_lengths(sizes).task_ids
    assert all(len(np.unique(task_ids[batch])) == 1 for batch in batches)
    order = [int(task_ids[batch[0]]) for batch in batches]
    assert order != sorted(order)


@pytest.mark.parametrize(
    "sampling",
    [ROUND_ROBIN, SamplingSpec(across="temperature"), SamplingSpec(mixing="one_task", within="class_balanced")],
)
def test_sampling_is_a_function_of_seed_and_epoch(sampling: SamplingSpec) -> None:
    """A resumed job sees the very batches that the interrupted one would have seen."""
    first, again = (_batches((300, 50), sampling, epoch=2) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (_batches((300, 50), sampling, epoch=3), _batches((300, 50), sampling, epoch=2, seed=99)):
        assert not np.array_equal(np.concatenate(first), np.concatenate(other))
