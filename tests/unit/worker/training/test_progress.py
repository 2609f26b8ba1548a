"""Progress messages: not too many, never the last one missing, figures that add up."""

from __future__ import annotations

from worker.training.progress import ProgressReporter
from worker.training.protocol import Progress


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_progress_of_many_quick_steps_is_throttled_but_tells_the_last() -> None:
    """Thousands of lines a second would slow training down; a bar that stops at 97 % looks broken."""
    clock, told = _Clock(), list[Progress]()
    reporter = ProgressReporter(told.append, clock)
    reporter.start("training", steps=100, num_examples=1000)
    for _ in range(100):
        clock.now_s += 0.01
        reporter.advance(examples=10, epoch=0.5, losses={"mood": 0.7})
    assert [event.step for event in told] == [0, 25, 50, 75, 100]
    assert told[-1].loss_by_task == {"mood": 0.7}


def test_progress_tells_speed_and_remaining_time_of_the_stage() -> None:
    """What a person waits by."""
    clock, told = _Clock(), list[Progress]()
    reporter = ProgressReporter(told.append, clock)
    reporter.start("training", steps=4, num_examples=400)
    clock.now_s += 2.0
    reporter.advance(examples=100)
    assert (told[-1].examples_per_s, told[-1].eta_s) == (50.0, 6.0)


def test_progress_keeps_the_seconds_of_each_finished_stage() -> None:
    """They go into the job's report."""
    clock = _Clock()
    reporter = ProgressReporter(lambda event: None, clock)
    reporter.start("reading data")
    clock.now_s += 1.5
    reporter.start("training", steps=1)
    clock.now_s += 4.0
    reporter.finish()
    assert reporter.seconds == {"reading data": 1.5, "training": 4.0}


def test_progress_tells_the_step_at_which_a_stage_ends_early() -> None:
    """A training that stops early ends between two reports; its last losses and its best step must still be told."""
    told = list[Progress]()
    reporter = ProgressReporter(told.append, _Clock())
    reporter.start("training", steps=100)
    reporter.tell_best(2, 0.5)
    reporter.advance(losses={"mood": 0.9})
    reporter.advance(losses={"mood": 0.8}, ends=True)
    assert (told[-1].step, told[-1].best_step, told[-1].loss_by_task) == (2, 2, {"mood": 0.8})
