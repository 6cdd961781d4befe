"""Where ``(x, y)`` come from, in an order that is a pure function of (seed, epoch)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from gradatim.data.in_memory import is_single, tensors_from
from gradatim.data.kinds import (
    is_in_memory,
    is_list_of_batches,
    is_loader,
    is_map_style,
    refuse_iterator,
)
from gradatim.data.options import BatchKeywords, BatchOptions, ReadingKeywords
from gradatim.data.order import epoch_order
from gradatim.data.repeated_rows import warn_of_repeated_rows
from gradatim.data.sources.dataset import DatasetSource
from gradatim.data.sources.iterable import IterableSource
from gradatim.data.sources.loader import (
    BatchListSource,
    LoaderSource,
    OwnLoaderSource,
    refuse_options,
)
from gradatim.data.sources.source import Source
from gradatim.data.sources.tensors import TensorSource, tensors_behind
from gradatim.errors import ConfigError, DataError
from gradatim.interrupt import FetchStopped, leave_on_signal
from gradatim.nested import tensors_of
from gradatim.signatures import refuse_unknown, shows_options

__all__ = [
    "Batches",
    "as_batches",
    "epoch_order",
    "has_own_batches",
    "in_order",
    "refuse_x_and_y",
]


def make_source(data: Any, options: BatchOptions) -> Source:
    """Make the source for a kind of data; refuse data that give no batches."""
    if isinstance(data, DataLoader):
        warn_of_repeated_rows(data)
        return LoaderSource(data, options)
    if isinstance(data, IterableDataset):
        return IterableSource(data, options)
    if isinstance(data, Dataset):
        tensors, rows = tensors_behind(data)
        if tensors is not None and options.collate_fn is None:
            return TensorSource(tensors, options, rows)
        return DatasetSource(data, options)
    if hasattr(data, "as_batch"):  # a Table
        data = data.as_batch()
    is_of_rows = options.collate_fn is not None
    if (
        is_list_of_batches(data) and not is_of_rows
    ):  # or another Sequence, whose batches are its own
        return BatchListSource(data, options)
    if is_in_memory(data):
        tensors = tensors_from(data)
        if next(tensors_of(tensors), None) is not None:
            return TensorSource(tensors, options, None)
    elif is_map_style(data):
        return DatasetSource(data, options)
    elif is_loader(data):
        refuse_iterator(data)
        return OwnLoaderSource(data, options)
    raise DataError(
        f"data of type {type(data).__name__} gives no batches.\n"
        "Training needs rows that can be cut into batches.\n"
        "Give a tuple of tensors, arrays or data frames, a data set, an "
        "IterableDataset, a DataLoader, other batches to go through, or a Table."
    )


def has_own_batches(data: Any, *, collates: bool = False) -> bool:
    """Tell whether ``data`` is cut into batches already, in an order of its own.

    A list of pairs of tensors may have rows or batches. Where there is a
    ``collate_fn``, which makes batches of rows, it has rows.
    """
    if collates and is_list_of_batches(data):
        return False
    return isinstance(data, Batches) or is_loader(data)


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
        data: A tuple, list or dict of tensors, NumPy arrays, data frames of pandas or
            polars, or lists of numbers, with rows along dim 0 (float64 becomes
            PyTorch's default dtype, as NumPy knows no other default; tensors stay as
            they are). Or a data set: whatever has ``len(data)`` and ``data[row]``, with
            ``Dataset`` as its base or not. Or an ``IterableDataset``. Or batches that
            are there already: a ``DataLoader``, a list of them, or any object that
            gives them each time it is gone through. Or a ``Table``. Where it has a
            ``set_epoch``, that is called before each epoch.
        batch_size: Rows in a batch; the last one may have fewer.
        shuffle: Another order each epoch, drawn from ``(seed, epoch)``.
        seed: Not negative.
        drop_last: Leave out a last batch with fewer rows.
        num_workers: Processes that read a data set; tensors need none. The rows of an
            ``IterableDataset`` come once, in the order of a single process: each worker
            goes through the whole stream, and puts every n-th batch together.
        collate_fn: Makes a batch of a list of rows, of a data set or
            ``IterableDataset``; by default ``torch.utils.data.default_collate``.
        sampler: Gives the numbers of the rows of an epoch, in place of ``shuffle``: a
            sampler of PyTorch or your own, or a list of numbers. It draws what it draws
            in a loop of one's own.
        weights: A number a row. An epoch draws as many rows as there are, each by its
            weight and with replacement, from ``(seed, epoch)``.
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
    collate_fn: Callable[[list[Any]], Any] | None = _option("collate_fn")
    sampler: Iterable[Any] | None = _option("sampler")
    weights: Tensor | None = _option("weights")
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
        _refuse_shuffled_sampler(options)
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
    def source(self) -> Source:
        """What gives the batches, by the kind of the data."""
        return self._source

    def send(self, batch: Any) -> Any:
        """Send a batch where the batches go."""
        return batch if self.device is None else self._source.send(batch)

    def as_parts(self, batch: Any) -> Any:
        """Give a batch that is a list as a tuple, where its entries are known as parts.

        A list that a ``collate_fn`` or a loader of the user's made may have rows.
        """
        if not isinstance(batch, list) or not self._source.makes_parts:
            return batch
        # default_collate leaves rows that are texts as they are.
        return batch if batch and isinstance(batch[0], (str, bytes)) else tuple(batch)

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

    def until_stopped(
        self, epoch: int, *, start: int = 0, begins_again: bool = False
    ) -> Iterator[Any]:
        """As :meth:`epoch`, but a signal that stops the training ends a fetch.

        That is where other processes fetch, which the same signal may have ended.

        Args:
            epoch: As there.
            start: As there.
            begins_again: Whether an epoch that is left will be gone through from its
                start. One that is trained on goes on after the batches that it gave.

        Raises:
            FetchStopped: The fetch of a batch was left.
        """
        has_workers = self._source.has_workers
        if has_workers is False:
            return self.epoch(epoch, start=start)
        batches = self._begun_when_fetched(epoch, start)
        batches = leave_on_signal(batches, at_once=has_workers is True)
        return self._put_back_if_left(batches, begins_again)

    def _begun_when_fetched(self, epoch: int, start: int) -> Iterator[Any]:
        yield from self.epoch(epoch, start=start)

    def _put_back_if_left(
        self, batches: Iterator[Any], begins_again: bool
    ) -> Iterator[Any]:
        """Undo what was drawn at the start of an epoch that will begin once more."""
        before, is_at_start = self._source.generators_now(), True
        try:
            for batch in batches:
                is_at_start = False
                yield batch
        except FetchStopped:
            if is_at_start or begins_again:
                self._source.put_back(before)
            raise

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
        if has_own_batches(data, collates="collate_fn" in given):
            refuse_options(data, list(given))
        elif isinstance(data, IterableDataset) and options.get("shuffle"):
            refuse_options(data, ["shuffle"])
        return Batches(data, device=device, **given)
    for name, value in given.items():
        own = getattr(data, name)
        # Weights cannot be compared by ==; those that are meant are the very same.
        if value is not own and (name == "weights" or value != own):
            raise ConfigError(
                f"{name}={value!r}, but these Batches were made with {name}={own!r}.\n"
                "Which one is meant is open.\n"
                f"Leave {name} out here, or give the data itself."
            )
    if data.device is None and device is not None:
        data.device = torch.device(device)
    return data


def in_order(
    data: Any,
    device: torch.device,
    options: BatchKeywords | ReadingKeywords,
    batch_size: int | None = None,
    *,
    is_val: bool = False,
) -> Batches:
    """Give batches in the order of the rows, or the user's own as they are.

    They have ``batch_size`` where the options have none. The options of a ``fit`` are
    those of its training data: its validation data may be tensors, which need no
    ``collate_fn``.
    """
    if has_own_batches(data, collates=options.get("collate_fn") is not None):
        return as_batches(data, device=device)
    needs_none = is_val and is_in_memory(data)
    return as_batches(
        data,
        batch_size=options.get("batch_size") or batch_size,
        shuffle=False,
        num_workers=options.get("num_workers"),
        collate_fn=None if needs_none else options.get("collate_fn"),
        device=device,
    )


def _refuse_shuffled_sampler(options: BatchKeywords) -> None:
    shuffle = options.get("shuffle")
    if options.get("sampler") is not None and shuffle is not None:
        raise ConfigError(
            f"sampler= and shuffle={shuffle} are both given.\n"
            "A sampler says which rows come in which order.\n"
            "Leave shuffle out."
        )


def refuse_x_and_y(train: Any, val: Any) -> None:
    """Refuse ``fit(x, y)``: what belongs together was given as two arguments.

    Raises:
        ConfigError: Both are a single block of rows.
    """
    if not (is_single(train) and is_single(val)):
        return
    x, y = (
        f"{type(value).__name__}{tuple(getattr(value, 'shape', (len(value),)))}"
        for value in (train, val)
    )
    raise ConfigError(
        f"fit() was given {x} to train on and {y} to validate with.\n"
        "Its arguments are the two parts of the data, each with inputs and targets; "
        "fit(x, y) of other libraries means something else.\n"
        "Write fit((x, y), ...), or fit((x, y), (x_val, y_val), ...); for inputs "
        "without targets give the trainer a forward=."
    )
