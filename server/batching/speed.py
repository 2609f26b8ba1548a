"""How many tokens all compute workers together take in a second when there is enough to do.

Only stretches in which no worker had to wait for work are measured: a server that is idle half the time is not half as
fast. Not thread-safe: the queue's lock guards it.
"""

from __future__ import annotations

#: A stretch this long gives one sample: some ten batches, so that one slow batch does not count as the speed.
STRETCH_S = 0.05
#: After so long the old speed counts half: a swap to a slower model is noticed within a second.
HALF_LIFE_S = 0.5
#: Of the newest batch in the mean.
BATCH_WEIGHT = 0.2


class SpeedMeter:
    """`tokens_per_s` is 0 until the first stretch is over."""

    def __init__(self) -> None:
        self.tokens_per_s = 0.0
        #: How long one batch takes.
        self.batch_s = 0.0
        self._since_s: float | None = None
        self._num_tokens = 0

    def finished(self, seconds: float) -> None:
        """A batch was computed in `seconds`."""
        self.batch_s += BATCH_WEIGHT * (seconds - self.batch_s)

    def pause(self) -> None:
        """A worker has to wait for work."""
        self._since_s = None

    def take(self, num_tokens: int, now_s: float) -> None:
        """A worker took a batch of `num_tokens`."""
        if self._since_s is None:
            self._since_s, self._num_tokens = now_s, 0
        elif (elapsed_s := now_s - self._since_s) >= STRETCH_S:
            sample = self._num_tokens / elapsed_s
            kept = 0.5 ** (elapsed_s / HALF_LIFE_S) if self.tokens_per_s else 0.0
            self.tokens_per_s = kept * self.tokens_per_s + (1 - kept) * sample
            self._since_s, self._num_tokens = now_s, 0
        # What was taken at the start of a stretch is computed within it; what is taken at its end is not.
        self._num_tokens += num_tokens
