"""The time in which a table's training has to be over, scoring included."""

import time
from collections.abc import Callable
from typing import Any

from gradatim.hooks import Callback, TrainerView
from gradatim.interrupt import OUT_OF_TIME

__all__ = ["StopInTime", "TimeLimit"]

SCORED_TIMES = 2.5
"""Scoring a row is taken to need so many times as long as validating one: network and
linear model answer it, and the answers are drawn again for the scores' intervals.
Chosen by hand, with room to spare."""
VALIDATED_AGAIN = 2.0
"""So many times as long as a validation the choice between these two takes."""
LAST_S = 0.5
"""So many seconds are kept for what follows the scores, such as writing the model.
Chosen by hand, with room to spare."""


class TimeLimit:
    """The moment at which all is to be over, by a clock in seconds.

    Args:
        seconds: How long after the beginning that moment is.
        began: When that was, as ``clock`` had it; now if it is None.
        clock: Gives the seconds since some moment.

    >>> limit = TimeLimit(60, clock=lambda: 5.0)
    >>> limit.part(1, of=3).seconds_left()
    20.0
    """

    def __init__(
        self,
        seconds: float,
        *,
        began: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.end = (clock() if began is None else began) + seconds

    def seconds_left(self) -> float:
        """Say how long it is until then; less than 0 afterwards."""
        return self.end - self.clock()

    def part(self, share: float, *, of: float) -> "TimeLimit":
        """Give the limit of the next training, of several that share what is left."""
        return TimeLimit(self.seconds_left() * share / of, clock=self.clock)


class StopInTime(Callback):
    """Stop a training so that its best epoch can still be scored in time.

    It stops after an epoch where another one would take too long, and within an epoch
    where that is the first or takes longer than those before. As with Ctrl-C the run
    goes on from there, with the bits of one that was never stopped.

    Args:
        limit: When all is to be over.
        num_val: How many rows an epoch is validated with.
        num_test: How many rows are to be scored.
    """

    only_watches = True  # a run goes on with another limit, or without one

    def __init__(self, limit: TimeLimit, *, num_val: int, num_test: int) -> None:
        self.limit = limit
        self.scored_share = num_test / max(1, num_val)
        self._epoch_s = self._val_s = 0.0
        self._epoch_began: float | None = None
        self._step_began = self._val_began = 0.0

    def on_epoch_begin(self, trainer: Any) -> None:
        # The rest of an epoch, where a run goes on, does not tell how long one takes.
        is_whole = trainer.so_far.num_batches == 0
        self._step_began = self.limit.clock()
        self._epoch_began = self._step_began if is_whole else None

    def on_step_end(self, trainer: Any, loss: Any) -> None:
        now = self.limit.clock()
        step_s, self._step_began = now - self._step_began, now
        if not trainer.should_stop and self._left() <= step_s + self._val_s:
            trainer.stop(OUT_OF_TIME)

    def on_validation_begin(self, trainer: Any) -> None:
        self._val_began = self.limit.clock()

    def on_validation_end(self, trainer: Any) -> None:
        self._val_s = self.limit.clock() - self._val_began

    def on_history(self, trainer: TrainerView) -> None:
        assert trainer.plan is not None
        if self._epoch_began is not None:
            self._epoch_s = self.limit.clock() - self._epoch_began
        is_last = trainer.plan.is_done(trainer.epoch, trainer.num_steps)
        if not (trainer.should_stop or is_last) and self._left() <= self._epoch_s:
            trainer.stop(OUT_OF_TIME)

    def _left(self) -> float:
        """Give the seconds that are left for training."""
        times = VALIDATED_AGAIN + SCORED_TIMES * self.scored_share
        scoring_s = times * self._val_s
        return self.limit.seconds_left() - scoring_s - LAST_S
