"""The rules of trying again, on a clock and with dice of our own."""

from __future__ import annotations

import pytest

from polyhead import errors
from polyhead.retrying import FIRST_PAUSE_S, LONGEST_PAUSE_S, Tries, check_retries, is_worth_another

AWAY = errors.UnavailableError("away", "UNAVAILABLE")
FULL = errors.ResourceExhaustedError("full", "RESOURCE_EXHAUSTED", (), 1.5)
LARGE = errors.ResourceExhaustedError("message too large", "RESOURCE_EXHAUSTED")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def pauses(tries: Tries, error: errors.CallError, clock: Clock) -> list[float]:
    """All pauses of a call that goes on failing, with the clock moved by each."""
    found = []
    while (pause_s := tries.pause_s(error)) is not None:
        found.append(pause_s)
        clock.now_s += pause_s
    return found


@pytest.mark.parametrize(("drawn", "share"), [(0.0, 0.5), (1.0, 1.0)])
def test_pauses_double_and_are_drawn_from_the_upper_half(drawn: float, share: float) -> None:
    """Back-off takes the load off a server; the draw keeps clients from coming back together."""
    clock = Clock()
    expected = [share * FIRST_PAUSE_S * factor for factor in (1, 2, 4)]
    assert pauses(Tries(3, 60, clock, lambda: drawn), AWAY, clock) == pytest.approx(expected)


def test_pause_never_grows_beyond_the_longest() -> None:
    """A hundred retries must not end in pauses of hours."""
    clock = Clock()
    assert max(pauses(Tries(100, 1e9, clock, lambda: 1.0), AWAY, clock)) == LONGEST_PAUSE_S


@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
def test_pause_is_never_shorter_than_retry_info(drawn: float) -> None:
    """The server knows when its queue has room; who comes sooner is refused again."""
    clock = Clock()
    found = pauses(Tries(3, 60, clock, lambda: drawn), FULL, clock)
    assert len(found) == 3
    assert all(pause_s > 1.5 for pause_s in found)


def test_no_retry_that_could_not_begin_before_the_deadline() -> None:
    """Waiting for nothing: the caller learns the true reason at once instead."""
    assert Tries(3, 1.5, Clock(), lambda: 0.0).pause_s(FULL) is None
    assert Tries(3, 1.7, Clock(), lambda: 0.0).pause_s(FULL) is not None


def test_each_try_gets_what_is_left_of_the_deadline() -> None:
    """Three tries of a call with 10 s take 10 s, not 30."""
    clock = Clock()
    tries = Tries(3, 10, clock)
    clock.now_s += 4
    assert tries.left_s() == 6
    clock.now_s += 7
    assert tries.left_s() == 0
    assert tries.pause_s(AWAY) is None


def test_zero_retries_mean_one_try() -> None:
    """Off is off."""
    assert Tries(0, 60).pause_s(AWAY) is None


def test_only_what_may_pass_is_worth_another_try() -> None:
    """A wrong request stays wrong, and a message over the limit stays too large."""
    others = [kind("no", "X") for kind in errors.CallError.__subclasses__()]
    worth = {type(error) for error in [*others, FULL] if is_worth_another(error)}
    assert worth == {errors.UnavailableError, errors.CallCancelledError, errors.ResourceExhaustedError}
    assert not is_worth_another(LARGE)
    assert Tries(3, 60).pause_s(LARGE) is None


@pytest.mark.parametrize("wrong", [-1, True, 1.5, "3"])
def test_wrong_number_of_retries_is_named(wrong: object) -> None:
    """At the client's making, not at the first failure."""
    with pytest.raises(errors.InvalidArgumentError, match=str(wrong)):
        check_retries(wrong)
