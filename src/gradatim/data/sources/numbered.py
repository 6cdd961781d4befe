"""Data whose rows have numbers: in which order they come."""

import itertools
from collections.abc import Callable, Iterator, Sized
from typing import Any

import torch
from torch import Tensor

from gradatim.data.options import BatchOptions
from gradatim.data.order import epoch_order, weighted_order
from gradatim.data.restart import Restart, own_generators
from gradatim.data.sources.source import Source, check_num_rows, tell_epoch
from gradatim.data.why_inexact import sampler_why_inexact
from gradatim.errors import ConfigError, DataError

__all__ = ["NumberedSource"]


class NumberedSource(Source):
    """Rows from 0 to ``num_rows``: in order, shuffled, drawn by weight or by a sampler.

    A sampler of the user's draws what it draws in a loop of one's own. To resume an
    epoch, the generators get the state that they had at its start, the sampler draws
    again, and then they get the state that they had when the run was saved.
    """

    num_rows: int

    def __init__(self, data: Any, options: BatchOptions, num_rows: int) -> None:
        super().__init__(data, options)
        self.num_rows = num_rows
        sampler, weights = options.sampler, options.weights
        if weights is not None and len(weights) != num_rows:
            raise ConfigError(
                f"there are {len(weights)} weights, but {num_rows} rows.\n"
                "Each row is drawn by a weight of its own.\n"
                "Give a weight a row, in the order of the data."
            )
        rows = len(sampler) if isinstance(sampler, Sized) else num_rows
        check_num_rows(min(rows, num_rows), options)
        self._restart = Restart(lambda: own_generators(self.options.sampler))

    def num_batches(self) -> int:
        sampler, size = self.options.sampler, self.options.batch_size
        if sampler is None:
            return super().num_batches()
        if not isinstance(sampler, Sized):
            raise TypeError(f"{type(sampler).__name__} does not say how many it draws.")
        rows = len(sampler)
        return rows // size if self.options.drop_last else -(-rows // size)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.options.sampler is None else self._restart.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._restart.load_state_dict(state)

    def generators_now(self) -> Any:
        is_needed = self.options.sampler is not None and self.options.restartable
        return self._restart.now() if is_needed else None

    def put_back(self, states: Any) -> None:
        if states is not None:
            self._restart.put_back(states)

    def why_inexact(self) -> list[str]:
        return sampler_why_inexact(self.options.sampler)

    def row_numbers(
        self,
        epoch: int,
        start: int,
        num_batches: int = 1,
        place: Callable[[Tensor], Tensor] = lambda order: order,
    ) -> Iterator[slice | Tensor]:
        """Give the numbers of the rows of an epoch, of some batches at a time.

        Args:
            epoch: Which one.
            start: Leave out so many batches.
            num_batches: So many are given together; the last time there may be fewer.
            place: Called with the order of the epoch before it is cut, to move it.
        """
        options = self.options
        size, length = options.batch_size, options.batch_size * num_batches
        if options.sampler is not None and not isinstance(options.sampler, Sized):
            yield from map(place, self._drawn_as_read(epoch, start, length))
            return
        order = self._order(epoch, start)
        total = self.num_rows if order is None else len(order)
        if options.drop_last:
            total -= total % size
        if order is not None:
            order = place(order)
        for first in range(start * size, total, length):
            rows = slice(first, min(first + length, total))
            yield rows if order is None else order[rows]

    def _order(self, epoch: int, start: int) -> Tensor | None:
        options = self.options
        if options.sampler is not None:
            tell_epoch(options.sampler, epoch)
            with self._restart.drawing(start, restartable=options.restartable):
                numbers = list(options.sampler)
            return self._checked(numbers)
        if options.weights is not None:
            return weighted_order(options.weights, seed=options.seed, epoch=epoch)
        if options.shuffle:
            return epoch_order(self.num_rows, seed=options.seed, epoch=epoch)
        return None

    def _drawn_as_read(self, epoch: int, start: int, length: int) -> Iterator[Tensor]:
        """Give the numbers of a sampler without a length, which may have no end."""
        options, sampler = self.options, self.options.sampler
        assert sampler is not None
        tell_epoch(sampler, epoch)
        with self._restart.drawing(start, restartable=options.restartable):
            numbers = iter(sampler)
            for _ in itertools.islice(numbers, start * options.batch_size):
                pass
        while rows := list(itertools.islice(numbers, length)):
            if options.drop_last:
                rows = rows[: len(rows) - len(rows) % options.batch_size]
            if rows:
                yield self._checked(rows)

    def _checked(self, numbers: list[Any]) -> Tensor:
        """Give the numbers of rows, as a sampler gave them, as a tensor."""
        try:
            rows = torch.tensor([int(number) for number in numbers], dtype=torch.int64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{type(self.options.sampler).__name__} gives a "
                f"{type(numbers[0]).__name__}, not the number of a row.\n"
                "The rows of a batch are counted by batch_size here.\n"
                "Give a sampler of single rows, or a DataLoader(batch_sampler=...)."
            ) from error
        wrong = rows[(rows < 0) | (rows >= self.num_rows)]
        if len(wrong):
            raise DataError(
                f"{type(self.options.sampler).__name__} gives row {int(wrong[0])}; the "
                f"data have the rows 0 to {self.num_rows - 1}.\n"
                "There is no such row to train on.\n"
                "Make the sampler for these data."
            )
        return rows
