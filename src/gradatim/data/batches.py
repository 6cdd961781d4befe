"""Where ``(x, y)`` come from, in an order that is a pure function of (seed, epoch)."""

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
)

from gradatim.errors import ConfigError, DataError
from gradatim.nested import (
    as_tensors,
    map_tensors,
    num_rows,
    slice_rows,
    tensors_of,
)

__all__ = ["Batches", "as_batches", "epoch_order", "has_own_batches"]

CHUNK_BYTES = 1 << 22
"""Rows are gathered for many batches at once, about this much at a time: one gather
of 4 MB costs less than its batches' gathers, and stays near the processor."""


def epoch_order(num_rows: int, *, seed: int, epoch: int) -> Int[Tensor, "rows"]:
    """Give the order of the rows in an epoch, from a generator of its own.

    ``seed`` and ``epoch`` are mixed by SHA-256, which no library's version changes.

    >>> epoch_order(5, seed=42, epoch=0)
    tensor([1, 3, 4, 0, 2])
    """
    return torch.randperm(num_rows, generator=epoch_generator(seed, epoch))


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """Give a CPU generator that depends on ``(seed, epoch)`` alone."""
    digest = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
    # manual_seed takes a signed 64-bit integer.
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


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

    def __init__(
        self,
        data: Any,
        *,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        num_workers: int = 0,
        device: torch.device | str | None = None,
        resident: bool = False,
    ) -> None:
        _check_options(batch_size, seed, num_workers)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.num_workers = num_workers
        self.device = None if device is None else torch.device(device)
        self.next_epoch = 0
        """The epoch that a plain ``for batch in batches`` goes through next."""
        self._source = _make_source(data, self)
        if resident:
            self._source.to_device()

    @property
    def num_rows(self) -> int | None:
        """Rows in the data; None where only the end will tell."""
        return self._source.num_rows

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

    def epoch(self, epoch: int) -> Iterator[Any]:
        """Go through the batches of one epoch, counted from 0.

        Each is a tuple, list, dict or tensor, as the data is.
        """
        return self._source.epoch(epoch)


def as_batches(data: Any, **options: Any) -> Batches:
    """Give ``data`` itself if it is :class:`Batches`, else make them.

    Raises:
        ConfigError: An option is given for ``Batches`` that have their own.
    """
    if not isinstance(data, Batches):
        given = {name: v for name, v in options.items() if v is not None}
        if has_own_batches(data):
            _refuse_options(data, [name for name in given if name != "device"])
        elif isinstance(data, IterableDataset) and options.get("shuffle"):
            _refuse_options(data, ["shuffle"])
        return Batches(data, **given)
    for name, value in options.items():
        if name != "device" and value is not None and value != getattr(data, name):
            raise ConfigError(
                f"{name}={value!r}, but these Batches were made with "
                f"{name}={getattr(data, name)!r}.\n"
                "Which one is meant is open.\n"
                f"Leave {name} out here, or give the data itself."
            )
    if data.device is None and options.get("device") is not None:
        data.device = torch.device(options["device"])
    return data


# --- Sources: one class per kind of data, all with the same four members ------------


class _Source:
    """What all kinds of data share."""

    num_rows: int | None = None

    def __init__(self, options: Batches) -> None:
        self.options = options

    def num_batches(self) -> int:
        rows, size = self.num_rows, self.options.batch_size
        if rows is None:
            raise TypeError("this data does not say how many batches it has.")
        return rows // size if self.options.drop_last else -(-rows // size)

    def epoch(self, epoch: int) -> Iterator[Any]:
        raise NotImplementedError

    def to_device(self) -> None:
        raise ConfigError(
            "resident=True, but the data is read as it goes.\n"
            "Only tensors can be sent to the device once.\n"
            "Leave resident out, or give a tuple of tensors."
        )

    def send(self, batch: Any) -> Any:
        """Move a batch to the device; on CUDA without waiting for it."""
        device = self.options.device
        if device is None:
            return batch
        if device.type == "cuda":
            return map_tensors(lambda t: _send_pinned(t, device), batch)
        return map_tensors(lambda t: t.to(device), batch)


def _send_pinned(tensor: Tensor, device: torch.device) -> Tensor:
    # A copy from pageable memory makes the host wait; from pinned memory it does not.
    if tensor.device.type == "cpu" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class _TensorSource(_Source):
    """Tensors in memory: an epoch is gathered in chunks that are cut into batches."""

    def __init__(self, data: Any, options: Batches, rows: Tensor | None) -> None:
        super().__init__(options)
        self.data = data
        self.rows = rows  # of a Subset: which rows of the tensors are meant
        tensors = list(tensors_of(data))
        self.num_rows = _same_num_rows(tensors) if rows is None else len(rows)
        _check_num_rows(self.num_rows, options)
        _refuse_lists(data, self.num_rows)
        bytes_per_row = sum(
            t.element_size() * (t.numel() // max(1, t.size(0))) for t in tensors
        )
        batch_bytes = max(1, bytes_per_row * options.batch_size)
        self.chunk_rows = options.batch_size * max(1, CHUNK_BYTES // batch_bytes)
        if type(data) in (tuple, list) and all(isinstance(t, Tensor) for t in data):
            self.gather: Callable[[Any], Iterator[Any]] = self._gather_flat
        else:
            self.gather = self._gather_nested

    def to_device(self) -> None:
        device = self.options.device
        if device is None:
            raise ConfigError("resident=True needs device=: where to send the data.")
        self.data = map_tensors(lambda t: t.to(device), self.data)

    def epoch(self, epoch: int) -> Iterator[Any]:
        options, total = self.options, self.num_rows
        assert total is not None
        size = options.batch_size
        if options.drop_last:
            total -= total % size
        order: Tensor | None = self.rows
        if options.shuffle:
            order = epoch_order(self.num_rows or 0, seed=options.seed, epoch=epoch)
            if self.rows is not None:
                order = self.rows[order]
        if order is not None:
            order = order.to(next(tensors_of(self.data)).device)
        for start in range(0, total, self.chunk_rows):
            stop = min(start + self.chunk_rows, total)
            take = slice(start, stop) if order is None else order[start:stop]
            yield from self.gather(take)

    def _gather_flat(self, take: Any) -> Iterator[Any]:
        chunk = [self.send(_take(tensor, take)) for tensor in self.data]
        size = self.options.batch_size
        return zip(*(tensor.split(size) for tensor in chunk), strict=True)

    def _gather_nested(self, take: Any) -> Iterator[Any]:
        chunk = self.send(map_tensors(lambda t: _take(t, take), self.data))
        size, rows = self.options.batch_size, num_rows(chunk)
        for start in range(0, rows, size):
            yield slice_rows(chunk, start, start + size)


def _tell_epoch(data: Any, epoch: int) -> None:
    """Call ``set_epoch`` where there is one, also on the data sets inside.

    So a data set can make what it draws a function of the epoch.
    """
    while data is not None:
        set_epoch = getattr(data, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        data = getattr(data, "dataset", None)


def _take(tensor: Tensor, take: slice | Tensor) -> Tensor:
    if isinstance(take, slice):
        return tensor[take].clone()
    return tensor.index_select(0, take)


class _DatasetSource(_Source):
    """A map-style ``Dataset``: asked for whole batches where it can give them."""

    def __init__(self, data: Dataset[Any], options: Batches) -> None:
        super().__init__(options)
        self.data = data
        assert isinstance(data, Sized)
        self.num_rows = len(data)
        _check_num_rows(self.num_rows, options)

    def epoch(self, epoch: int) -> Iterator[Any]:
        _tell_epoch(self.data, epoch)
        loader = None
        if self.options.num_workers:
            loader = DataLoader(
                self.data,
                batch_sampler=self._indices(epoch),
                num_workers=self.options.num_workers,
                # Without one of its own, the loader would draw from the global RNG.
                generator=epoch_generator(self.options.seed, epoch),
                pin_memory=_is_cuda(self.options.device),
            )
        for batch in loader if loader is not None else self._fetch(epoch):
            yield self.send(batch)

    def _indices(self, epoch: int) -> list[list[int]]:
        options, total = self.options, self.num_rows or 0
        if options.shuffle:
            order = epoch_order(total, seed=options.seed, epoch=epoch).tolist()
        else:
            order = list(range(total))
        size = options.batch_size
        batches = [order[start : start + size] for start in range(0, total, size)]
        if options.drop_last and len(batches[-1]) < size:
            batches.pop()
        return batches

    def _fetch(self, epoch: int) -> Iterator[Any]:
        fetch_many = getattr(self.data, "__getitems__", None)
        for indices in self._indices(epoch):
            if fetch_many is not None:
                yield default_collate(fetch_many(indices))
            else:
                yield default_collate([self.data[index] for index in indices])


class _IterableSource(_Source):
    """An ``IterableDataset``: its own order, cut into batches as it comes."""

    def __init__(self, data: IterableDataset[Any], options: Batches) -> None:
        super().__init__(options)
        self.data = data
        self.num_rows = len(data) if isinstance(data, Sized) else None

    def epoch(self, epoch: int) -> Iterator[Any]:
        _tell_epoch(self.data, epoch)
        loader: DataLoader[Any] = DataLoader(
            self.data,
            batch_size=self.options.batch_size,
            drop_last=self.options.drop_last,
            num_workers=self.options.num_workers,
            generator=epoch_generator(self.options.seed, epoch),
            pin_memory=_is_cuda(self.options.device),
        )
        for batch in loader:
            yield self.send(batch)


class _LoaderSource(_Source):
    """A user's ``DataLoader``, or any iterable of batches, used as it is."""

    def __init__(self, data: Any, options: Batches) -> None:
        super().__init__(options)
        # Not shuffle: True is what it is by default, and False what a loader may do.
        defaults = inspect.signature(Batches).parameters
        names = ("batch_size", "seed", "drop_last", "num_workers")
        changed = [n for n in names if getattr(options, n) != defaults[n].default]
        _refuse_options(data, changed)
        self.data = data
        dataset = getattr(data, "dataset", None)
        self.num_rows = len(dataset) if isinstance(dataset, Sized) else None

    def num_batches(self) -> int:
        return len(self.data)

    def epoch(self, epoch: int) -> Iterator[Any]:
        _tell_epoch(self.data, epoch)
        _tell_epoch(getattr(self.data, "sampler", None), epoch)
        if self.options.device is None:
            return iter(self.data)
        return map(self.send, self.data)


# --- Telling the kinds apart --------------------------------------------------------


def _make_source(data: Any, options: Batches) -> _Source:
    if isinstance(data, DataLoader):
        return _LoaderSource(data, options)
    if isinstance(data, IterableDataset):
        return _IterableSource(data, options)
    if isinstance(data, Dataset):
        tensors, rows = _tensors_behind(data)
        if tensors is not None:
            return _TensorSource(tensors, options, rows)
        return _DatasetSource(data, options)
    if hasattr(data, "as_batch"):  # a Table
        data = data.as_batch()
    if isinstance(data, (Tensor, np.ndarray, Mapping, tuple, list)):
        data = as_tensors(data)
        if _is_list_of_batches(data):
            return _LoaderSource(data, options)
        if next(tensors_of(data), None) is not None:
            return _TensorSource(data, options, None)
    elif _is_list_of_batches(data):  # another Sequence, whose batches are its own
        return _LoaderSource(data, options)
    raise DataError(
        f"data of type {type(data).__name__} gives no batches.\n"
        "Training needs rows that can be cut into batches.\n"
        "Give a tuple of tensors or arrays, a Dataset, an IterableDataset, a "
        "DataLoader or a Table."
    )


def _is_list_of_batches(data: Any) -> bool:
    """Tell ``[(x, y), (x, y)]``, batches made by hand, from ``(x, y)``."""
    return (
        isinstance(data, Sequence)
        and not isinstance(data, (tuple, str))
        and len(data) > 0
        and all(isinstance(batch, (tuple, list, Mapping)) for batch in data)
    )


def _tensors_behind(data: Any) -> tuple[Any, Tensor | None]:
    """Find the tensors of a ``TensorDataset``, also behind ``random_split``."""
    if type(data) is TensorDataset:
        return data.tensors, None
    if type(data) is Subset:
        tensors, rows = _tensors_behind(data.dataset)
        if tensors is not None:
            chosen = torch.as_tensor(list(data.indices), dtype=torch.int64)
            # Negative ones count from the end, as they do in the data set.
            total = len(tensors[0]) if rows is None else len(rows)
            chosen = chosen.where(chosen >= 0, chosen + total)
            return tensors, chosen if rows is None else rows[chosen]
    return None, None


def has_own_batches(data: Any) -> bool:
    """Tell whether ``data`` is cut into batches already, in an order of its own."""
    return isinstance(data, (Batches, DataLoader)) or _is_list_of_batches(data)


def _refuse_options(data: Any, names: list[str]) -> None:
    if names:
        raise ConfigError(
            f"{' and '.join(names)} given, but a {type(data).__name__} has batches or "
            "an order of its own.\n"
            "What was asked for would not be done.\n"
            "Leave it out here and set it there, or give the data set itself."
        )


def _refuse_lists(data: Any, rows: int) -> None:
    """Refuse what looks like a column and could not be sliced with the tensors."""
    if isinstance(data, Mapping):
        data = list(data.values())
    if not isinstance(data, (tuple, list)):
        return
    for part in data:
        is_list = isinstance(part, (tuple, list))
        if is_list and len(part) == rows and next(tensors_of(part), None) is None:
            raise DataError(
                f"the data hold a {type(part).__name__} of {rows} "
                f"{type(part[0]).__name__}.\n"
                "Only tensors and arrays are cut into batches.\n"
                "Make it one, for example with torch.tensor(...) or np.array(...)."
            )
        _refuse_lists(part, rows)


def _same_num_rows(tensors: list[Tensor]) -> int:
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
        raise DataError(
            f"the tensors have shapes {', '.join(map(str, shapes))}.\n"
            "Rows of different tensors are paired by their number along dim 0.\n"
            "Give all of them the same first dimension."
        )
    return shapes[0][0]


def _check_num_rows(rows: int, options: Batches) -> None:
    if rows == 0:
        raise DataError(
            "the data have 0 rows.\n"
            "An epoch over nothing trains nothing and its mean loss is 0 / 0.\n"
            "Look at the file, filter or split that they come from."
        )
    if options.drop_last and rows < options.batch_size:
        raise DataError(
            f"the data have {rows} rows, fewer than a batch of {options.batch_size} "
            "needs, and drop_last leaves out what is no whole batch.\n"
            "Nothing would be trained.\n"
            "Give a smaller batch_size, or drop_last=False."
        )


def _is_cuda(device: torch.device | None) -> bool:
    return device is not None and device.type == "cuda"


def _check_options(batch_size: int, seed: int, num_workers: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"batch_size must be 1 or more, got {batch_size}.")
    if seed < 0:
        raise ConfigError(f"seed must not be negative, got {seed}.")
    if num_workers < 0:
        raise ConfigError(f"num_workers must not be negative, got {num_workers}.")
