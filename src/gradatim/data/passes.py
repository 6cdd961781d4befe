"""One pass over the data after another, from any batch on."""

from collections.abc import Iterator
from typing import Any

from gradatim.data.batches import Batches

__all__ = ["Passes"]


class Passes:
    """Where training is in its data: the pass, and the batches of it that are done.

    An epoch is a pass as a rule. Where an epoch has a number of steps of its own, one
    pass follows another inside of it, and data without an end stay in their first pass.

    Attributes:
        number: The pass at hand, counted from 0.
        num_batches: Batches of this pass whose updates are done. The training counts
            them itself: a batch that was only fetched is not done.

    >>> import torch
    >>> passes = Passes(Batches(torch.arange(3), batch_size=2, shuffle=False))
    >>> for batch in passes.batches(goes_on=True):
    ...     passes.num_batches += 1
    ...     print(passes.number, batch.tolist())
    ...     if passes.number == 1:
    ...         break
    0 [0, 1]
    0 [2]
    1 [0, 1]
    """

    def __init__(self, source: Batches) -> None:
        self.source = source
        self.number = 0
        self.num_batches = 0
        self._rest: Iterator[Any] | None = None

    def batches(self, *, goes_on: bool) -> Iterator[Any]:
        """Go through the rest of the pass; ``goes_on`` adds the passes that follow.

        An epoch that ends in the middle of a pass leaves it open: the next call goes on
        there.

        Raises:
            DataError: A pass had no batch.
        """
        if self._rest is None:
            self._rest = self.source.until_stopped(self.number, start=self.num_batches)
        return self._all(self._rest) if goes_on else self._rest

    def _all(self, rest: Iterator[Any]) -> Iterator[Any]:
        while True:
            # Not "yield from", which would close the rest of the pass with this one.
            for batch in rest:  # noqa: UP028
                yield batch
            if not self.num_batches:  # also those without an end could give nothing
                return
            self.begin_next()
            rest = self._rest = self.source.until_stopped(self.number)

    def begin_next(self) -> None:
        """End the pass at hand, whatever is left of it."""
        self.number += 1
        self.num_batches = 0
        self._rest = None

    def begin_again(self) -> None:
        """Go back to the beginning of the pass at hand."""
        self.num_batches = 0
        self._rest = None

    def state_dict(self) -> dict[str, int]:
        """Give the place: the number of the pass, and its batches that are done."""
        return {"number": self.number, "num_batches": self.num_batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to a place, before the first batch is asked for."""
        self.number = int(state["number"])
        self.num_batches = int(state["num_batches"])
        if min(self.number, self.num_batches) < 0:
            raise ValueError(f"the data stand at {state}, before their beginning")
        self._rest = None
