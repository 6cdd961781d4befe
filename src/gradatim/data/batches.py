"""Where ``(x, y)`` come from, in an order that is a pure function of (seed, epoch)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from gradatim.data.options import BatchKeywords, BatchOptions
from gradatim.data.order import epoch_order
from gradatim.data.sources.dataset import DatasetSource
from gradatim.data.sources.iterable import IterableSource
from gradatim.data.sources.loader import (
    BatchListSource,
    LoaderSource,
    is_list_of_batches,
    refuse_options,
)
from gradatim.data.sources.source import Source
from gradatim.data.sources.tensors import TensorSource, tensors_behind
from gradatim.errors import ConfigError, DataError
from gradatim.nested import as_tensors, tensors_of
from gradatim.signatures import refuse_unknown, shows_options

__all__ = ["Batches", "as_batches", "epoch_order", "has_own_batches"]


def make_source(data: Any, options: BatchOptions) -> Source:
    """Make the source for a kind of data; refuse data that give no batches."""
    if isinstance(data, DataLoader):
        return LoaderSource(data, options)
    if isinstance(data, IterableDataset):
        return IterableSource(data, options)
    if isinstance(data, Dataset):
        tensors, rows = tensors_behind(data)
        if tensors is not None:
            return TensorSource(tensors, options, rows)
        return DatasetSource(data, options)
    if hasattr(data, "as_batch"):  # a Table
        data = data.as_batch()
    is_nested = isinstance(data, (Tensor, np.ndarray, Mapping, tuple, list))
    if is_nested:
        data = as_tensors(data)
    if is_list_of_batches(data):  # or another Sequence, whose batches are its own
        return BatchListSource(data, options)
    if is_nested and next(tensors_of(data), None) is not None:
        return TensorSource(data, options, None)
    raise DataError(
        f"data of type {type(data).__name__} gives no batches.\n"
        "Training needs rows that can be cut into batches.\n"
        "Give a tuple of tensors or arrays, a Dataset, an IterableDataset, a "
        "DataLoader or a Table."
    )


def has_own_batches(data: Any) -> bool:
    """Tell whether ``data`` is cut into batches already, in an order of its own."""
    return isinstance(data, (Batches, DataLoader)) or is_list_of_batches(data)


def _option(name: str) -> Any:
    """Make the attribute of ``Batches`` that reads and changes one of its options."""

    def read(batches: "Batches") -> Any:
        return getattr(batches.options, name)

    def change(batches: "Batches", value: Any) -> None:
        batches.options = replace(batches.options, **{name: value})
        batches._source.options = batches.options

    return property(read, change)


class Batches:
    """Batches of a data set, epoch after epoch.

    Tensors are sliced, never collated row by row; the batches are copies, so that a
    model that changes its input in place leaves the data alone. The global random
    generators are neither read nor moved, but by a data set that does so itself. A
    ``DataLoader`` is used as it is and draws what it draws in a loop of one's own.

    Args:
        data: A tuple, list or dict of tensors or NumPy arrays with rows along dim 0
            (float64 arrays become PyTorch's default dtype, as NumPy knows no other
            default; tensors stay as they are); a ``Dataset``, ``IterableDataset`` or
            ``DataLoader`` (whose ``set_epoch`` is called before each epoch, if it has
            one); or a ``Table``.
        batch_size: Rows in a batch; the last one may have fewer.
        shuffle: Another order each epoch, drawn from ``(seed, epoch)``.
        seed: Not negative.
        drop_last: Leave out a last batch with fewer rows.
        num_workers: Processes that read a ``Dataset``; tensors need none.
        device: Where the batches go; on CUDA through pinned memory, while the device
            computes. None leaves them where they are.
        resident: Send the tensors to ``device`` once and slice them there.

    Raises:
        ConfigError: An option is out of its range or does not fit this data.
        DataError: No rows, fewer than a batch with ``drop_last``, or tensors with
            different numbers of rows.

    >>> batches = Batches((torch.arange(5.0), torch.arange(5)), batch_size=2, seed=42)
    >>> for x, y in batches.epoch(0):
    ...     x, y
    (tensor([1., 3.]), tensor([1, 3]))
    (tensor([4., 0.]), tensor([4, 0]))
    (tensor([2.]), tensor([2]))
    >>> len(batches), batches.num_rows
    (3, 5)
    """

    batch_size: int = _option("batch_size")
    shuffle: bool = _option("shuffle")
    seed: int = _option("seed")
    drop_last: bool = _option("drop_last")
    num_workers: int = _option("num_workers")
    device: torch.device | None = _option("device")
    restartable: bool = _option("restartable")

    @shows_options(BatchKeywords, defaults=BatchOptions, before="device")
    def __init__(
        self,
        data: Any,
        *,
        device: torch.device | str | None = None,
        resident: bool = False,
        **options: Unpack[BatchKeywords],
    ) -> None:
        refuse_unknown("Batches", options, BatchKeywords.__annotations__)
        chosen: Any = {name: v for name, v in options.items() if v is not None}
        self.options = BatchOptions(
            device=None if device is None else torch.device(device), **chosen
        )
        self.next_epoch = 0
        """The epoch that a plain ``for batch in batches`` goes through next."""
        self._source = make_source(data, self.options)
        if resident:
            self._source.to_device()

    @property
    def loader(self) -> "DataLoader[Any] | None":
        """The user's ``DataLoader``, where the batches are from one."""
        data = self._source.data
        return data if isinstance(data, DataLoader) else None

    @property
    def num_rows(self) -> int | None:
        """Rows in the data; None where only the end will tell."""
        return self._source.num_rows

    @property
    def num_batches(self) -> int | None:
        """Batches in an epoch; None where only the end will tell."""
        try:
            return len(self)
        except TypeError:
            return None

    def __len__(self) -> int:
        """Batches in an epoch.

        Raises:
            TypeError: An iterable data set or loader does not say its length.
        """
        return self._source.num_batches()

    def __iter__(self) -> Iterator[Any]:
        """Go through the next epoch: 0, 1, 2 and so on, each in its own order."""
        self.next_epoch += 1
        return self.epoch(self.next_epoch - 1)

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[Any]:
        """Go through the batches of one epoch, counted from 0.

        Each is a tuple, list, dict or tensor, as the data is.

        Args:
            epoch: Which one.
            start: Leave out so many batches, as if they had been gone through. With a
                ``DataLoader`` they are fetched, from the state at the epoch's start
                that :meth:`load_state_dict` was given.
        """
        return self._source.epoch(epoch, start)

    def state_dict(self) -> dict[str, Any]:
        """Give what :meth:`epoch` needs to resume in the middle, beside its number.

        Empty for tensors and map-style data sets, whose order is ``(seed, epoch)``'s.
        Set ``restartable`` before the epoch begins.
        """
        return self._source.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave in another process."""
        self._source.load_state_dict(state)

    def why_inexact(self) -> list[str]:
        """Say why an epoch cannot be resumed exactly; empty where it can."""
        return self._source.why_inexact()

    def digest(self) -> dict[str, Any]:
        """Describe the data by SHA-256: see :mod:`gradatim.data.digest`."""
        return self._source.digest()


def as_batches(
    data: Any,
    *,
    device: torch.device | str | None = None,
    **options: Unpack[BatchKeywords],
) -> Batches:
    """Give ``data`` itself if it is :class:`Batches`, else make them.

    Raises:
        ConfigError: An option is given for ``Batches`` that have their own.
    """
    given: Any = {name: v for name, v in options.items() if v is not None}
    if not isinstance(data, Batches):
        if has_own_batches(data):
            refuse_options(data, list(given))
        elif isinstance(data, IterableDataset) and options.get("shuffle"):
            refuse_options(data, ["shuffle"])
        return Batches(data, device=device, **given)
    for name, value in given.items():
        own = getattr(data, name)
        if value != own:
            raise ConfigError(
                f"{name}={value!r}, but these Batches were made with {name}={own!r}.\n"
                "Which one is meant is open.\n"
                f"Leave {name} out here, or give the data itself."
            )
    if data.device is None and device is not None:
        data.device = torch.device(device)
    return data
