"""Data that are cut into batches already: a user's loader, or a list of batches."""

import itertools
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any

from torch.utils.data import DataLoader

from gradatim.data.digest import dataset_digest, tensor_digest
from gradatim.data.options import BatchOptions
from gradatim.data.restart import LoaderState, loader_why_inexact
from gradatim.data.sources.source import Source, tell_epoch
from gradatim.data.sources.tensors import tensors_behind
from gradatim.errors import ConfigError

__all__ = ["LoaderSource", "comes_in_batches", "is_list_of_batches", "refuse_options"]


class LoaderSource(Source):
    """A user's ``DataLoader``, or any iterable of batches, used as it is."""

    def __init__(self, data: Any, options: BatchOptions) -> None:
        super().__init__(options)
        # Not shuffle: True is what it is by default, and False what a loader may do.
        names = ("batch_size", "seed", "drop_last", "num_workers")
        defaults = BatchOptions()
        changed = [n for n in names if getattr(options, n) != getattr(defaults, n)]
        refuse_options(data, changed)
        self.data = data
        self._state = LoaderState(data) if isinstance(data, DataLoader) else None
        dataset = getattr(data, "dataset", None)
        self.num_rows = len(dataset) if isinstance(dataset, Sized) else None

    def num_batches(self) -> int:
        return len(self.data)

    def why_inexact(self) -> list[str]:
        return loader_why_inexact(self.data) if self._state is not None else []

    def state_dict(self) -> dict[str, Any]:
        return {} if self._state is None else self._state.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._state is not None:
            self._state.load_state_dict(state)

    def digest(self) -> dict[str, Any]:
        if self._state is None:
            return tensor_digest(self.data)
        tensors, rows = tensors_behind(self.data.dataset)
        if tensors is not None:
            return tensor_digest(tensors, rows)
        return dataset_digest(self.data.dataset)

    def epoch(self, epoch: int, start: int) -> Iterator[Any]:
        tell_epoch(self.data, epoch)
        tell_epoch(getattr(self.data, "sampler", None), epoch)
        batches: Iterator[Any]
        if self._state is None:
            batches = itertools.islice(self.data, start, None)
        elif start:
            batches = self._state.replayed(start)
        else:
            if self.options.restartable:
                self._state.begin()
            batches = iter(self.data)
        return batches if self.options.device is None else map(self.send, batches)


def comes_in_batches(data: Any) -> bool:
    """Tell whether ``data`` is a loader, or a list of batches."""
    return isinstance(data, DataLoader) or is_list_of_batches(data)


def is_list_of_batches(data: Any) -> bool:
    """Tell ``[(x, y), (x, y)]``, batches made by hand, from ``(x, y)``."""
    return (
        isinstance(data, Sequence)
        and not isinstance(data, (tuple, str))
        and len(data) > 0
        and all(isinstance(batch, (tuple, list, Mapping)) for batch in data)
    )


def refuse_options(data: Any, names: list[str]) -> None:
    """Refuse options that ``data`` would not follow.

    Raises:
        ConfigError: There is one.
    """
    if names:
        raise ConfigError(
            f"{' and '.join(names)} given, but a {type(data).__name__} has batches or "
            "an order of its own.\n"
            "What was asked for would not be done.\n"
            "Leave it out here and set it there, or give the data set itself."
        )
